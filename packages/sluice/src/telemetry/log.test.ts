// What the logs say of requests, and what they must never say. Secrets are planted at every entry, at the level debug.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, stat, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import {
  freePort,
  sluiceCommand,
  startSluice,
  temporaryFolder,
  type Sluice,
  type TemporaryFolder,
} from "@sluice/testing";
import { openActivityLines, openLog } from "./log.ts";
import { runSluice } from "../../test/run-sluice.ts";

const secret = "hunter2";

/** Service B that answers with what it was sent: `bad` requests with an error. */
async function startEcho(): Promise<{ readonly host: string } & AsyncDisposable> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    response.statusCode = body.includes("bad") ? 400 : 200;
    response.end(`${request.url} ${JSON.stringify(request.headers)} ${body}`);
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const config = (host: string, closedPort: number): string => `
export default { queues: {
  echo: { target: "http://${host}/process?token=${secret}" },
  gone: {
    target: {
      url: "http://user:${secret}@127.0.0.1:${closedPort}/process?token=${secret}",
      headers: { authorization: "Bearer ${secret}", "x-key": { kind: "secret", name: "B_KEY" } },
    },
    retry: { attempts: 1 },
  },
  parse: { handle: (request) => JSON.parse(request.text()), retry: { attempts: 1 } },
  throws: { handle: (request) => { throw new Error("cannot take " + request.text()); }, retry: { attempts: 1 } },
} };`;

describe("the log of a running Sluice", () => {
  let folder: TemporaryFolder;
  let echo: Awaited<ReturnType<typeof startEcho>>;
  let sluice: Sluice;
  let sent = 0;
  before(async () => {
    folder = await temporaryFolder();
    echo = await startEcho();
    const configFile = join(folder.path, "sluice.config.ts");
    await writeFile(configFile, config(echo.host, await freePort()));
    const args = ["--log-level", "debug", "--log-format", "json"];
    const env = { B_KEY: secret };
    sluice = await startSluice({ dataFolder: join(folder.path, "data"), configFile, args, env });
  });
  after(async () => {
    await sluice[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  async function send(queue: string, body: string, path = "requests"): Promise<string> {
    const answer = await fetch(`${sluice.url}/v1/queues/${queue}/${path}`, {
      method: "POST",
      body,
      headers: {
        "idempotency-key": `${secret}-${(sent += 1)}`,
        "content-type": `text/${secret}`,
        authorization: `Bearer ${secret}`,
        cookie: `session=${secret}`,
        "ce-source": secret,
        "ce-subject": secret,
      },
    });
    return ((await answer.json()) as { readonly id: string }).id;
  }

  /** The line of a request that says this. */
  async function lineOf(id: string, message: string): Promise<Readonly<Record<string, unknown>>> {
    const found = await sluice.line(new RegExp(`^\\{.*"id":"${id}".*"msg":"${message}".*$`));
    return JSON.parse(found[0]) as Record<string, unknown>;
  }

  test("has one wide line for each call that had something accepted", async () => {
    const id = await send("echo", "fine");
    const line = await lineOf(id, "accepted");
    assert.equal(line["queue"], "echo");
    assert.equal(line["requests"], 1);
    assert.equal(line["repeats"], 0);
    assert.equal(line["bytes"], 4);
    assert.equal(typeof line["durationMs"], "number");
    await send("echo", '{"body":1}\n{"body":2}\n', "batches");
    await sluice.line(/"queue":"echo".*"requests":2.*"msg":"accepted"/);
  });

  test("has one wide line for each attempt, with how it ended", async () => {
    const done = await lineOf(await send("echo", "good"), "attempt done");
    assert.deepEqual([done["queue"], done["attempt"], done["bytes"]], ["echo", 1, 4]);
    const refused = await lineOf(await send("echo", "bad"), "attempt failed");
    assert.deepEqual([refused["code"], refused["status"], refused["isRetryable"]], ["target-status", 400, false]);
    const gone = await lineOf(await send("gone", "x"), "attempt failed");
    assert.equal(gone["code"], "unreachable");
    assert.match(String(gone["err"]), /cannot be reached/);
  });

  test("says nothing of bodies, keys, headers, queries and what targets and handlers make of them", async () => {
    await lineOf(await send("echo", `fine ${secret}`), "attempt done");
    await lineOf(await send("echo", `bad ${secret}`), "attempt failed");
    await lineOf(await send("gone", secret), "attempt failed");
    await lineOf(await send("parse", secret), "attempt failed");
    await lineOf(await send("throws", secret), "attempt failed");
    await send("echo", `{"body":"${secret}"}\n`, "batches");
    await send("echo", `{"key":"${secret}","body":${secret}`, "batches"); // refused
    await fetch(`${sluice.url}/v1/requests?queue=echo&key=${secret}`);
    await fetch(`${sluice.url}/v1/queues/echo/requests?q=${secret}`, { method: "POST", body: "{}" }); // refused
    await fetch(`${sluice.url}/${secret}`);
    sluice.kill("SIGTERM");
    await sluice.exited;
    const lines = sluice.output().split("\n");
    assert.ok(lines.filter((line) => line.includes('"msg":"attempt')).length >= 5);
    assert.deepEqual(
      lines.filter((line) => line.includes(secret)),
      [],
    );
  });
});

test("all log lines are on standard error, those of worker processes too; standard output says where it listens", async () => {
  await using folder = await temporaryFolder();
  const configFile = join(folder.path, "sluice.config.mjs");
  await writeFile(
    configFile,
    "export default { queues: { q: { handle: (_, { log }) => log.info('from the handler') } } };",
  );
  const flags = `--port 0 --config ${configFile} --processes 1 --log-format json --log-level debug --linger 0s`;
  const args = ["up", ...flags.split(" "), "--data", join(folder.path, "data")];
  const child = spawn(process.execPath, [
    sluiceCommand,
    ...args,
    "--data",
    join(folder.path, "data"),
    "--linger",
    "0s",
  ]);
  const outputs = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  const [first] = (await once(child.stdout, "data")) as [Buffer];
  const [, url] = /^Sluice listens on (\S+)/.exec(String(first)) ?? [];
  const answer = await fetch(`${url}/v1/queues/q/requests`, {
    method: "POST",
    body: "1",
    headers: { prefer: "wait=20" },
  });
  assert.equal(answer.status, 200);
  child.kill("SIGTERM");
  const [stdout, stderr] = await outputs;
  assert.match(stdout, /^Sluice listens on [^\n]+\n$/);
  const said = stderr
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { readonly msg: string }).msg);
  for (const message of ["accepted", "from the handler", "attempt done", "stopping"])
    assert.ok(said.includes(message), message);
});

test(
  "a cluster's member that cannot reach its servers does not tell their passwords",
  { timeout: 60_000 },
  async () => {
    const port = await freePort();
    for (const server of ["DATABASE_URL", "AMQP_URL", "REDIS_URL"]) {
      const urls = {
        DATABASE_URL: `postgres://sluice:${secret}@127.0.0.1:${port}/sluice`,
        AMQP_URL: `amqp://sluice:${secret}@127.0.0.1:${port}`,
        REDIS_URL: `redis://:${secret}@127.0.0.1:${port}/0`,
      };
      const broken = { ...urls, [server]: `:${secret}@nothing that is a URL` };
      for (const env of [urls, broken]) {
        const args = ["gateway", "--queue", "orders", "--port", "0", "--log-level", "debug"];
        const { exitCode, stdout, stderr } = await runSluice({ args, env });
        assert.notEqual(exitCode, 0);
        assert.notEqual(stderr, "");
        assert.doesNotMatch(stdout + stderr, new RegExp(secret));
      }
    }
  },
);

/** What a handler leaves behind, and nothing catches; each only while the file "mended" is not there. */
describe("the activity log", () => {
  const log = openLog({ level: "silent", isPretty: false });

  test("is written to its file, for its owner alone, whatever the level", async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "activity.log");
    for (const about of ["orders", "mails"]) openActivityLines(log, file).info({ about }, "paused");
    const lines = (await readFile(file, "utf8")).trim().split("\n");
    assert.deepEqual(
      lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .map(({ level, log: name, about, msg }) => [level, name, about, msg]),
      ["orders", "mails"].map((about) => [30, "activity", about, "paused"]),
    );
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    assert.throws(() => openActivityLines(log, folder.path), /activityLog must be a file that can be written: EISDIR/);
  });

  test("goes with the other lines, but for a log that is silent", () => {
    assert.equal(openActivityLines(log, undefined).level, "silent");
    const lines = openActivityLines(openLog({ level: "error", isPretty: false }), undefined);
    assert.deepEqual([lines.level, lines.bindings()["log"]], ["info", "activity"]);
  });
});

const uncaught = `
import { existsSync } from "node:fs";
const thrown = (way) => () => { throw new Error("thrown by a " + way); };
const ways = {
  timer: () => void setTimeout(thrown("timer"), 10),
  promise: () => void Promise.resolve().then(thrown("promise")),
  listener: ({ signal }) => signal.addEventListener("abort", thrown("listener")),
};
export default { queues: { orders: {
  timeout: "200ms",
  handle(request, context) {
    if (existsSync(new URL("mended", import.meta.url))) return "done";
    ways[request.text()](context);
    return new Promise(() => {});
  },
} } };`;

for (const way of ["timer", "promise", "listener"]) {
  test(`an error that nothing catches, thrown by a handler's ${way}, ends the process with a line in the log`, async () => {
    await using folder = await temporaryFolder();
    const configFile = join(folder.path, "sluice.config.mjs");
    await writeFile(configFile, uncaught);
    const dataFolder = join(folder.path, "data");
    await using sluice = await startSluice({ dataFolder, configFile, args: ["--log-format", "json"] });
    const answer = await fetch(`${sluice.url}/v1/queues/orders/requests`, { method: "POST", body: way });
    const { id } = (await answer.json()) as { readonly id: string };
    const [text] = await sluice.line(/^\{.*"level":60.*$/);
    const line = JSON.parse(text) as {
      readonly msg: string;
      readonly err: { readonly message: string; readonly stack: string };
    };
    assert.match(line.msg, /^an error that nothing caught ends this process/);
    assert.match(text, /--processes/);
    assert.equal(line.err.message, `thrown by a ${way}`);
    assert.match(line.err.stack, /sluice\.config\.mjs:3/);
    assert.deepEqual(await sluice.exited, { code: 1, signal: null });
    await writeFile(join(folder.path, "mended"), "");
    await using again = await startSluice({ dataFolder, configFile });
    const result = await fetch(`${again.url}/v1/requests/${id}`, { headers: { prefer: "wait=10" } });
    assert.equal(((await result.json()) as { readonly state: string }).state, "done");
  });
}
