// --replicas with a small server in place of a role: what starts, stops and restarts, as real processes.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { sluiceCommand, startChild, temporaryFolder, type Child, type TemporaryFolder } from "@sluice/testing";

const source = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);

/** Answers with its process id. ON_START and ON_STOP are code of a test's own; `startNo` counts the starts of all copies. */
const script = `
import { appendFileSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { openLog } from ${source("../telemetry/log.ts")};
import { isParent, runReplicas } from ${source("./replicas.ts")};
import { runRole } from ${source("./run-role.ts")};

const log = openLog({ level: "info", isPretty: false });
const own = (code) => new (async () => {}).constructor("startNo", "sleep", code ?? "");
if (isParent(Number(process.argv[2]))) await runReplicas(Number(process.argv[2]), log);
else await runRole(start, log);

async function start() {
  appendFileSync(process.argv[3], "x");
  const startNo = readFileSync(process.argv[3]).length;
  console.error("begins " + process.pid);
  await own(process.env.ON_START)(startNo, sleep);
  const server = createServer((request, response) => response.end(String(process.pid)));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const ready = "listens on http://127.0.0.1:" + server.address().port;
  console.error("runs " + process.pid);
  return {
    ready,
    async linger(hurry) {
      if (process.env.LINGERS && !hurry.aborted) {
        console.error("lingers " + process.pid);
        await once(hurry, "abort");
      }
    },
    async stop() {
      server.close();
      server.closeAllConnections();
      await own(process.env.ON_STOP)(startNo, sleep);
      console.error("stopped " + process.pid);
    },
  };
}
`;

interface Start {
  readonly replicas?: number;
  readonly onStart?: string;
  readonly onStop?: string;
  /** Until it is asked to hurry. */
  readonly lingers?: boolean;
}

let folder: TemporaryFolder;
let startCount = 0;
before(async () => {
  folder = await temporaryFolder();
  await writeFile(join(folder.path, "role.mjs"), script);
});
after(() => folder[Symbol.asyncDispose]());

function start({ replicas = 2, onStart, onStop, lingers = false }: Start = {}): Promise<Child> {
  startCount += 1;
  const args = [join(folder.path, "role.mjs"), String(replicas), join(folder.path, `starts-${startCount}`)];
  return startChild({
    command: process.execPath,
    args,
    env: { ON_START: onStart, ON_STOP: onStop, LINGERS: lingers ? "1" : "" },
  });
}

async function urlOf(parent: Child): Promise<string> {
  const [, url] = await parent.line(/^listens on (http:\S+)/);
  return url as string;
}

function pidsIn(parent: Child, word: string): readonly number[] {
  return [...parent.output().matchAll(new RegExp(`^${word} (\\d+)$`, "gm"))].map(([, pid]) => Number(pid));
}

/** Asks, each time on a new connection, until as many copies have answered. */
async function answeringPids(url: string, count: number): Promise<readonly number[]> {
  const pids = new Set<number>();
  while (pids.size < count) pids.add(Number(await (await fetch(url, { headers: { connection: "close" } })).text()));
  return [...pids];
}

describe("copies", () => {
  test("share the port, tell once that they are ready, and end well with their parent", async () => {
    await using parent = await start({ replicas: 3 });
    const pids = await answeringPids(await urlOf(parent), 3);
    assert.ok(!pids.includes(parent.pid));
    parent.kill("SIGTERM");
    assert.deepEqual(await parent.exited, { code: 0, signal: null });
    assert.deepEqual(new Set(pidsIn(parent, "stopped")), new Set(pids));
    assert.equal(parent.output().match(/^listens on/gm)?.length, 1);
  });

  test("are told to be ready only when all of them are", async () => {
    await using parent = await start({ onStart: "if (startNo === 2) await sleep(500);" });
    await urlOf(parent);
    assert.equal(pidsIn(parent, "runs").length, 2);
    assert.ok(parent.output().indexOf("listens on") > parent.output().lastIndexOf("runs"));
  });

  test("that are killed are started again, and told once", async () => {
    await using parent = await start();
    const url = await urlOf(parent);
    const [victim, other] = (await answeringPids(url, 2)) as [number, number];
    process.kill(victim, "SIGKILL");
    await parent.line(new RegExp(`"pid":${victim},.*"signal":"SIGKILL","restartMs":1000`));
    assert.deepEqual(await answeringPids(url, 1), [other]);
    const pids = await answeringPids(url, 2);
    assert.ok(pids.includes(other) && !pids.includes(victim));
    parent.kill("SIGTERM");
    assert.equal((await parent.exited).code, 0);
    assert.equal(parent.output().match(/it is started again/g)?.length, 1);
    assert.equal(parent.output().match(/^listens on/gm)?.length, 1);
  });

  test("that fail at their start are tried after twice the time each, and the ready line waits for them", async () => {
    await using parent = await start({ onStart: "if (startNo === 2 || startNo === 3) process.exit(69);" });
    await urlOf(parent);
    const waits = [...parent.output().matchAll(/"code":69,.*"restartMs":(\d+)/g)].map(([, ms]) => ms);
    assert.deepEqual(waits, ["1000", "2000"]);
    assert.equal(pidsIn(parent, "runs").length, 2);
  });

  test("end well by themselves when their parent is killed", async () => {
    await using parent = await start();
    const pids = await answeringPids(await urlOf(parent), 2);
    parent.kill("SIGKILL");
    await parent.exited; // which is when its outputs are closed: by the copies, at their end
    assert.deepEqual(new Set(pidsIn(parent, "stopped")), new Set(pids));
  });

  test("get a signal that goes to the whole group only once", async () => {
    await using parent = await start({ onStop: "await sleep(300);" });
    const pids = await answeringPids(await urlOf(parent), 2);
    for (const signal of ["SIGTERM", "SIGINT"] as const) for (const pid of pids) process.kill(pid, signal);
    parent.kill("SIGTERM");
    assert.deepEqual(await parent.exited, { code: 0, signal: null });
    assert.deepEqual(new Set(pidsIn(parent, "stopped")), new Set(pids));
  });

  test("that one asks to stop end well, and are replaced", async () => {
    await using parent = await start();
    const url = await urlOf(parent);
    const [asked] = (await answeringPids(url, 2)) as [number, number];
    process.kill(asked, "SIGTERM");
    await parent.line(new RegExp(`"pid":${asked},.*"code":0,"signal":null`));
    assert.deepEqual(pidsIn(parent, "stopped"), [asked]);
    assert.ok(!(await answeringPids(url, 2)).includes(asked));
  });

  test("that do not come to an end are ended by a second signal", async () => {
    await using parent = await start({ onStop: "console.error('hangs'); await new Promise(() => {});" });
    await urlOf(parent);
    parent.kill("SIGINT");
    await parent.line(/hangs/);
    parent.kill("SIGINT");
    assert.deepEqual(await parent.exited, { code: 1, signal: null });
  });

  test("linger on SIGTERM, still on their port; a second signal ends that, and all end well", async () => {
    await using parent = await start({ lingers: true });
    const url = await urlOf(parent);
    const pids = await answeringPids(url, 2);
    parent.kill("SIGTERM");
    for (const pid of pids) await parent.line(new RegExp(`^lingers ${pid}$`));
    assert.deepEqual(new Set(await answeringPids(url, 2)), new Set(pids));
    parent.kill("SIGTERM");
    assert.deepEqual(await parent.exited, { code: 0, signal: null });
    assert.deepEqual(new Set(pidsIn(parent, "stopped")), new Set(pids));
  });

  test("do not linger on SIGINT, nor when their parent is killed", async () => {
    for (const signal of ["SIGINT", "SIGKILL"] as const) {
      await using parent = await start({ lingers: true });
      const pids = await answeringPids(await urlOf(parent), 2);
      parent.kill(signal);
      await parent.exited;
      assert.deepEqual(new Set(pidsIn(parent, "stopped")), new Set(pids));
      assert.doesNotMatch(parent.output(), /^lingers/m);
    }
  });

  test("without a terminal, SIGHUP is logged and stops nobody", async () => {
    await using parent = await start();
    const url = await urlOf(parent);
    const pids = await answeringPids(url, 2);
    for (const pid of [parent.pid, ...pids]) process.kill(pid, "SIGHUP");
    await parent.line(/SIGHUP changes nothing/);
    assert.deepEqual(new Set(await answeringPids(url, 2)), new Set(pids));
  });

  test("are none when the first cannot start: its exit code is the parent's", async () => {
    await using parent = await start({ replicas: 3, onStart: "console.error('no such queue'); process.exit(78);" });
    assert.deepEqual(await parent.exited, { code: 78, signal: null });
    assert.equal(parent.output().match(/no such queue/g)?.length, 1);
  });
});

const failures = {
  "has no configuration": { code: 78, args: [] },
  "cannot reach its servers": { code: 69, args: ["--queue", "orders", "--target", "http://127.0.0.1:9/"] },
};

for (const [what, { code, args }] of Object.entries(failures)) {
  test(`a command whose first copy ${what} ends with the exit code of one`, async () => {
    const env = {
      DATABASE_URL: "postgres://127.0.0.1:1/none",
      AMQP_URL: "amqp://127.0.0.1:1",
      REDIS_URL: "redis://127.0.0.1:1",
    };
    const command = [sluiceCommand, "worker", "--replicas", "2", ...args];
    await using parent = await startChild({ command: process.execPath, args: command, env, cwd: folder.path });
    assert.deepEqual(await parent.exited, { code, signal: null });
    assert.equal(parent.output().match(/^sluice: /gm)?.length, 1);
  });
}

for (const replicas of [1, 2]) {
  test(`a signal during the start ends it well: --replicas ${replicas}`, async () => {
    await using role = await start({ replicas, onStart: "await sleep(60_000);" });
    await role.line(/^begins/);
    role.kill("SIGTERM");
    assert.deepEqual(await role.exited, { code: 0, signal: null });
    assert.equal(pidsIn(role, "begins").length, 1);
  });
}
