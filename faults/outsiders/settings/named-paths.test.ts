// Files and folders that operators name, and what can be there instead: each is refused within a second or two, in a sentence
// that names the path, and SIGTERM always ends a start. Real processes; what reads the files is also called by itself.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, open, symlink, truncate, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { sluiceCommand, startChild, temporaryFolder, type Child, type TemporaryFolder } from "@sluice/testing";
import { loadConfigFile } from "../../../packages/sluice/src/config/load-file.ts";
import { readSecret } from "../../../packages/sluice/src/config/secret.ts";
import { SluiceError } from "../../../packages/sluice/src/core/errors.ts";
import { makeNamedFolder } from "../../../packages/sluice/src/files/make-folder.ts";
import { changeKeyFile, readKeyFile } from "../../../packages/sluice/src/gateway/access/key-file.ts";
import { readCertificate } from "../../../packages/sluice/src/gateway/tls.ts";
import { isFull } from "../effort.ts";

const queue = ["--queue", "orders", "--target", "http://127.0.0.1:9/"];
const up = ["up", ...queue, "--port", "0"];
const gib = 1024 ** 3;

const server = createServer();
let folder: TemporaryFolder;
let odd: Readonly<Record<"pipe" | "file" | "loop" | "huge" | "socket" | "closed", string>>;
/** What a start may take: a busy machine is no fault. */
let msMax: number;

before(async () => {
  folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const at = (name: string): string => join(folder.path, name);
  odd = {
    pipe: at("pipe"),
    file: at("file"),
    loop: at("loop"),
    huge: at("huge"),
    socket: at("socket"),
    closed: at("closed"),
  };
  assert.equal(spawnSync("mkfifo", [odd.pipe]).status, 0);
  await writeFile(odd.file, "");
  await symlink(odd.loop, odd.loop);
  await writeFile(odd.huge, "");
  await truncate(odd.huge, 10 * gib); // without a block on the disk
  await mkdir(odd.closed, { mode: 0o500 });
  await once(server.listen(odd.socket), "listening");
  const startedAt = performance.now();
  await ended(await start(["--version"]));
  msMax = Math.max(2_000, 8 * (performance.now() - startedAt));
});
after(async () => {
  server.close();
  await folder[Symbol.asyncDispose]();
});

describe("a data folder that cannot be one", { concurrency: 2 }, () => {
  const paths: readonly (() => string)[] = [
    () => "/proc/x",
    () => odd.pipe,
    () => "x/".repeat(2_500),
    () => "/proc/1/x/y",
    () => "/sys/x",
    () => "/dev/null/x",
    () => odd.file,
    () => odd.loop,
    () => join(folder.path, "x".repeat(300)),
  ];
  for (const [at, path] of (isFull ? paths : paths.slice(0, 3)).entries())
    test(`is refused by a start (${at + 1})`, async () => {
      const child = await start([...up, "--data", path()]);
      await assertRefused(child, path());
    });

  test("is refused by what makes it", async () => {
    const made = paths.slice(0, 2).concat(paths.slice(3)); // the other is refused before, as a text
    for (const path of made)
      await assert.rejects(
        makeNamedFolder("the data folder", path()),
        (error) => error instanceof SluiceError && error.code === "bad-config" && error.message.length < 500,
        path(),
      );
  });

  test("is refused to a user who may not write it", async (t) => {
    const isRoot = process.getuid?.() === 0;
    const as = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
    const [command, ...args] = [...as, process.execPath, sluiceCommand];
    if (spawnSync(command, [...args, "--version"]).status !== 0)
      return t.skip("another user cannot read these sources");
    for (const path of [odd.closed, join(odd.closed, "below")]) {
      const child = await startChild({ command, args: [...args, ...up, "--data", path] });
      await assertRefused(child, path);
    }
  });

  test("may have any name, even one with a line feed", async () => {
    const path = join(folder.path, "a\nb");
    await using child = await start([...up, "--data", path, "--linger", "0s"]);
    await child.line(/^Sluice listens on /);
    child.kill("SIGTERM");
    assert.deepEqual(await child.exited, { code: 0, signal: null });
  });
});

describe("a file that cannot be read", { concurrency: 2 }, () => {
  const kinds = (): readonly string[] => [odd.pipe, "/dev/zero", folder.path, odd.loop, odd.huge, odd.socket];

  test("is refused as the configuration, a secret, keys and certificates", async () => {
    for (const path of kinds()) {
      const reads: readonly (() => unknown)[] = [
        () => loadConfigFile(path),
        () => readSecret("DATABASE_URL", { DATABASE_URL_FILE: path }),
        () => readKeyFile(path),
        () => readCertificate({ cert: path, key: path }),
      ];
      for (const read of reads)
        await assert.rejects(
          async () => read(),
          (error) => error instanceof SluiceError && error.code === "bad-config" && error.message.includes(path),
          path,
        );
    }
  });

  test("is refused where keys are to be written", async () => {
    await assert.rejects(
      changeKeyFile("/proc/x/keys.json", (keys) => keys),
      /^SluiceError: the folder of the API keys \/proc\/x cannot be used: no such file or directory/,
    );
  });

  const processes: readonly (() => readonly [args: readonly string[], env: Record<string, string>, path: string])[] = [
    () => [["up", "--config", odd.pipe], {}, odd.pipe],
    () => [["worker", ...queue], { DATABASE_URL_FILE: "/dev/zero" }, "/dev/zero"],
    () => [up, { SLUICE_KEYS_FILE: odd.pipe, SLUICE_DATA: join(folder.path, "d") }, odd.pipe],
    () => [["up", "--config", "/dev/zero"], {}, "/dev/zero"],
    () => [up, { SLUICE_CALLBACK_SECRET_FILE: odd.pipe }, odd.pipe],
    () => [[...up, "--tls-cert", odd.pipe, "--tls-key", odd.pipe, "--data", join(folder.path, "e")], {}, odd.pipe],
    () => [["queues"], { SLUICE_API_KEY_FILE: odd.pipe }, odd.pipe],
    () => [["keys", "create", "--name", "a", "--data", "/proc/x"], {}, "/proc/x"],
    () => [["init", "/proc/x"], {}, "/proc/x"],
  ];
  for (const [at, given] of (isFull ? processes : processes.slice(0, 3)).entries())
    test(`ends a command (${at + 1})`, async () => {
      const [args, env, path] = given();
      await assertRefused(await start(args, env), path);
    });
});

describe("an input", { concurrency: 2 }, () => {
  const sending = (path: string): readonly string[] => ["send", "-q", "orders", "--url", "http://127.0.0.1:9", path];
  const planning = (path: string): readonly string[] => ["plan", "--service", "1/s", "--access-log", path];

  for (const [name, args] of [
    ["send", sending],
    ["plan", planning],
  ] as const) {
    test(`that is a pipe without a writer lets ${name} end by SIGTERM`, async () => {
      await using child = await start(args(odd.pipe));
      await sleep(msMax / 4);
      await assertEndsBy("SIGTERM", child);
    });

    test(`without an end, or larger than memory, is refused by ${name}`, async () => {
      for (const path of isFull ? [odd.huge, "/dev/zero"] : ["/dev/zero"]) {
        await using child = await start(args(path));
        assert.equal((await ended(child)).code, 1, child.output());
        assert.match(child.output(), /^sluice: (a line is longer than 268435456|a body may have up to 67108864)/);
      }
    });
  }

  test("may be a pipe, which ends with its writer", async () => {
    const pipe = join(folder.path, "written"); // of its own: beside this test others open theirs
    assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
    await using child = await start(["plan", "--service", "1/s", "--csv", pipe, "--json"]);
    const writer = await open(pipe, "w");
    await writer.write("time,count\n0,7200\n");
    await writer.write("3600,0\n");
    await writer.close();
    assert.equal((await ended(child)).code, 0, child.output());
    assert.match(child.output(), /"total":7200/);
  });
});

test("SIGTERM ends a start at any moment of it", async () => {
  const starts = isFull ? 40 : 4;
  for (let nth = 0; nth < starts; nth += 1) {
    await using child = await start([...up, "--data", join(folder.path, "data"), "--linger", "0s"]);
    await sleep((msMax / 4) * (nth / starts));
    await assertEndsBy("SIGTERM", child);
  }
});

function start(args: readonly string[], env: Record<string, string> = {}): Promise<Child> {
  return startChild({ command: process.execPath, args: [sluiceCommand, ...args], env });
}

async function ended(child: Child) {
  return Promise.race([child.exited, tooLate(child)]);
}

async function tooLate(child: Child): Promise<never> {
  const patienceMs = msMax === undefined ? 60_000 : 4 * msMax; // another user starts without the compile cache
  await sleep(patienceMs, undefined, { ref: false });
  throw new Error(`it still runs after ${Math.round(patienceMs)} ms: ${child.output()}`); // and is killed as it is disposed
}

async function assertEndsBy(signal: NodeJS.Signals, child: Child): Promise<void> {
  child.kill(signal);
  const { code, signal: by } = await ended(child);
  assert.ok(code === 0 || by === signal, `${code} ${by} ${child.output()}`);
}

/** Exit code 78, and one sentence with the path, or as much of it as fits. */
async function assertRefused(child: Child, path: string): Promise<void> {
  await using _child = child;
  const { code } = await ended(child);
  const said = child.output();
  assert.equal(code, 78, said);
  const sentences = said.split("\n").filter((line) => line.startsWith("sluice: "));
  assert.equal(sentences.length, 1, said);
  assert.ok(sentences[0]?.includes(path.slice(0, 80)), said);
  assert.ok((sentences[0]?.length ?? 0) < 500, said);
  assert.doesNotMatch(said, /\n\s+at /);
}
