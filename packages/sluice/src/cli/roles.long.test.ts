// A cluster as its users have it: migrate, doctor, gateways and workers as processes of their own, on real servers.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import {
  freePort,
  sluiceCommand,
  startChild,
  startPostgres,
  startSluiceGateway,
  startSluiceWorker,
  type Child,
} from "@sluice/testing";
import type { WireAudit, WireQueue, WireReadiness } from "@sluice/client";
import { Client } from "pg";
import { versionKnown } from "../engines/cluster/ledger/schema/migrate.ts";
import { migrate, openClusterUnderTest, sluiceEntry, type ClusterUnderTest } from "../../test/cluster-under-test.ts";
import { runSluice, type Ended } from "../../test/run-sluice.ts";

/** `pids` answers with the process that ran it, `notes` writes into a table in the transaction of its outcome. */
const config = `
import { defineConfig, Reject } from ${sluiceEntry};

export default defineConfig({
  queues: {
    pids: { handle: () => process.pid },
    notes: {
      transactional: true,
      async handle(request, { sql }) {
        await sql.query("INSERT INTO notes VALUES ($1)", [request.text()]);
        if (request.text() === "bad") throw new Reject("bad");
        return "noted";
      },
    },
  },
});
`;

let cluster: ClusterUnderTest;
let configFile: string;
let env: Record<string, string>;

before(async () => {
  cluster = await openClusterUnderTest({ name: "roles", config });
  ({ configFile } = cluster);
});
after(() => cluster?.[Symbol.asyncDispose]());
beforeEach(async () => {
  env = await cluster.newEnv();
  const database = new URL(env["DATABASE_URL"] as string);
  database.password = "hunter2"; // asked by nobody, and never to be shown
  env["DATABASE_URL"] = database.href;
});

function sluice(...args: readonly string[]): Promise<Ended> {
  return runSluice({ args, env });
}

async function submit(url: string, queue: string, body = "{}"): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${url}/v1/queues/${queue}/requests`, {
    method: "POST",
    body,
    headers: { prefer: "wait=10" },
  });
  return { status: answer.status, text: await answer.text() };
}

async function readJson<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

/** What the cluster of these servers uses. */
function carriersOf({ AMQP_URL, REDIS_URL }: Readonly<Record<string, string>>): WireReadiness["carriers"] {
  return {
    hints: AMQP_URL === undefined ? "postgres" : "rabbitmq",
    notices: REDIS_URL === undefined ? "postgres" : "redis",
  };
}

/** As the doctor names what carries something: the server of this variable, or PostgreSQL. */
function place(server: string, variable: string): string {
  const url = env[variable];
  return url === undefined ? "PostgreSQL" : `${server} at ${new URL(url).host}`;
}

/** The processes that have told that they work, by their names. */
function startedPids({ output }: Child, role: string): readonly number[] {
  const started = new RegExp(
    `"name":"${role} (\\d+) on [^"]+","role":"${role}".*"queues":\\["pids","notes"\\](?:,"access":"open")?,"msg":"started"`,
    "g",
  );
  return [...output().matchAll(started)].map(([, pid]) => Number(pid));
}

async function ended(...children: readonly Child[]): Promise<void> {
  for (const child of children) {
    child.kill("SIGTERM");
    assert.deepEqual(await child.exited, { code: 0, signal: null }, child.output());
    assert.doesNotMatch(child.output(), /hunter2/);
  }
}

test("migrate makes the servers ready, again and again, and doctor says so", async () => {
  const first = await sluice("doctor", "--config", configFile);
  assert.equal(first.exitCode, 1);
  assert.match(first.stdout, /^postgres +schema +schema-missing +unsafe$/m);

  const made = await sluice("migrate", "--config", configFile);
  assert.equal(made.exitCode, 0, made.stderr);
  assert.match(made.stdout, /^Created the schema, version \d+\.\nDeclared pids, notes\.\n$/);
  const again = await sluice("migrate", "--config", configFile);
  assert.equal(again.exitCode, 0, again.stderr);
  assert.match(again.stdout, /^The schema is at version \d+\.\nThe queues are there\.\n$/);
  const { stdout } = await sluice("migrate", "--config", configFile, "--queue", "more", "--json");
  assert.deepEqual(JSON.parse(stdout), { from: versionKnown, to: versionKnown, queuesDeclared: ["more"] });

  const healthy = await sluice("doctor", "--config", configFile);
  assert.equal(healthy.exitCode, 0, healthy.stdout);
  const told = `hints: ${place("RabbitMQ", "AMQP_URL")}\nnotices and rates: ${place("Redis", "REDIS_URL")}\n\n`;
  assert.equal(healthy.stdout.slice(0, told.length), told);
  assert.match(healthy.stdout.slice(told.length), /^SERVER +WHAT +FOUND +VERDICT\n/);
  assert.match(healthy.stdout, /\nNothing is unsafe\.\n$/);
  const report = JSON.parse((await sluice("doctor", "--json")).stdout) as Pick<WireReadiness, "carriers"> & {
    safe: boolean;
    findings: unknown[];
  };
  assert.equal(report.safe, true);
  assert.deepEqual(report.carriers, carriersOf(env));
  assert.ok(report.findings.length > 5);
  for (const { stdout: out, stderr } of [first, made, again, healthy]) assert.doesNotMatch(out + stderr, /hunter2/);
});

test("on PostgreSQL alone migrate makes the queues too, and doctor examines nothing else", async () => {
  env = { ...env, AMQP_URL: "", REDIS_URL: "" };
  const made = await sluice("migrate", "--config", configFile);
  assert.match(made.stdout, /^Created the schema, version \d+\.\nDeclared pids, notes\.\n$/, made.stderr);
  assert.match((await sluice("migrate", "--config", configFile)).stdout, /\nThe queues are there\.\n$/);
  const { exitCode, stdout } = await sluice("doctor", "--config", configFile);
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /^hints: PostgreSQL\nnotices and rates: PostgreSQL\n\nSERVER /);
  assert.doesNotMatch(stdout, /rabbitmq|redis/i);
});

describe("before anything is started", () => {
  for (const role of ["gateway", "worker"]) {
    test(`${role} refuses a database that was not migrated`, async () => {
      const { exitCode, stdout, stderr } = await sluice(role, "--config", configFile);
      assert.deepEqual([exitCode, stdout], [78, ""]);
      assert.match(stderr, /^sluice: the database has no schema of Sluice yet: run sluice migrate$/m);
    });
  }

  test("a server that is out is named with its address, and the password is not", async () => {
    const port = await freePort();
    env = { ...env, DATABASE_URL: `postgres://sluice:hunter2@127.0.0.1:${port}/x` };
    for (const command of ["gateway", "worker", "migrate"]) {
      const { exitCode, stderr } = await sluice(command, "--config", configFile);
      assert.equal(exitCode, 69, stderr);
      assert.match(stderr, new RegExp(`PostgreSQL .*127\\.0\\.0\\.1:${port}`));
      assert.doesNotMatch(stderr, /hunter2/);
    }
    const { exitCode, stdout } = await sluice("doctor");
    assert.equal(exitCode, 69);
    assert.match(stdout, /^postgres +reachable +no: .* unsafe$/m);
    if (env["REDIS_URL"] !== undefined) assert.match(stdout, /^redis +version .* ok$/m);
    assert.doesNotMatch(stdout, /hunter2/);
  });

  test("a server that is not up yet is waited for", async () => {
    const port = await freePort();
    env = { ...env, DATABASE_URL: `postgres://sluice@127.0.0.1:${port}/sluice`, SLUICE_WAIT_FOR_SERVERS: "60s" };
    const args = [sluiceCommand, "gateway", "--config", configFile];
    await using gateway = await startChild({ command: process.execPath, args, env });
    await gateway.line(/waiting for a server/);
    await using _late = await startPostgres({ port });
    const { code } = await gateway.exited;
    assert.equal(code, 78, gateway.output()); // it is there, and not migrated
  });
});

describe("a gateway and a worker", () => {
  test("serve a request end to end, each in its own process, and end well", async () => {
    await migrate(configFile, env);
    await using gateway = await startSluiceGateway({ configFile, env });
    await using worker = await startSluiceWorker({ configFile, env });
    assert.deepEqual(startedPids(gateway, "gateway"), [gateway.pid]);
    assert.match(worker.output(), /^Sluice works on pids, notes$/m);

    const { status, text } = await submit(gateway.url, "pids");
    assert.deepEqual([status, text], [200, String(worker.pid)]);
    assert.deepEqual(await readJson<WireReadiness>(`${gateway.url}/readyz`), {
      ready: true,
      problems: [],
      carriers: carriersOf(env),
      keys: null,
    });
    const workers = async () => (await readJson<WireQueue>(`${gateway.url}/v1/queues/pids`)).workers;
    while ((await workers()) !== 1) await submit(gateway.url, "pids"); // shown with the worker's next beat
    const audit = JSON.parse((await runSluice({ args: ["audit", "--json"], url: gateway.url })).stdout) as WireAudit;
    assert.equal(audit.holds, true);

    await ended(worker, gateway);
    for (const child of [worker, gateway]) assert.match(child.output(), /"role":"(gateway|worker)".*"msg":"stopped"/);
  });

  test("commit the effect of a transactional handler with its outcome, or neither", async () => {
    await migrate(configFile, env);
    const client = new Client({ connectionString: env["DATABASE_URL"] });
    await client.connect();
    try {
      await client.query("CREATE TABLE notes (text text)");
      await using gateway = await startSluiceGateway({ configFile, env });
      await using worker = await startSluiceWorker({ configFile, env });
      assert.deepEqual(await submit(gateway.url, "notes", "good"), { status: 200, text: "noted" });
      assert.equal((await submit(gateway.url, "notes", "bad")).status, 502);
      assert.deepEqual((await client.query("SELECT text FROM notes")).rows, [{ text: "good" }]);
      await ended(worker, gateway);
    } finally {
      await client.end();
    }
  });
});

test("copies of gateway and worker go on when some of them are killed", async () => {
  await migrate(configFile, env);
  await using gateway = await startSluiceGateway({ configFile, env, args: ["--replicas", "2"] });
  await using worker = await startSluiceWorker({ configFile, env, args: ["--replicas", "2"] });
  for (const [parent, role] of [
    [gateway, "gateway"],
    [worker, "worker"],
  ] as const) {
    const pids = startedPids(parent, role);
    assert.equal(pids.length, 2);
    assert.ok(!pids.includes(parent.pid));
    process.kill(pids[0] as number, "SIGKILL");
    await parent.line(new RegExp(`"pid":${pids[0]},.*"signal":"SIGKILL".*it is started again`));
    const answers = await Promise.all(Array.from({ length: 20 }, () => submit(gateway.url, "pids")));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  }
  while (startedPids(worker, "worker").length < 3) await submit(gateway.url, "pids"); // the third is back in place
  await ended(worker, gateway);
});
