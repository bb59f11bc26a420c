// Schedules of real processes that are killed: each tick is one request, in a store of one process and in a cluster.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { WireAudit, WireQueue, WireRequestList, WireScheduleList } from "@sluice/client";
import {
  startPostgres,
  startSluice,
  startSluiceGateway,
  startSluiceWorker,
  temporaryFolder,
  type Sluice,
} from "@sluice/testing";
import { migrate, openClusterUnderTest, sluiceEntry } from "../../test/cluster-under-test.ts";
import { runSluice } from "../../test/run-sluice.ts";

function config(missed: string): string {
  return `
import { defineConfig } from ${sluiceEntry};

export default defineConfig({
  queues: { orders: { handle: (request) => request.text() } },
  schedules: { often: { queue: "orders", every: "1s", body: { report: 1 }, missed: ${JSON.stringify(missed)} } },
});
`;
}

async function read<T>({ url }: Sluice, path: string): Promise<T> {
  const response = await fetch(`${url}${path}`);
  assert.equal(response.status, 200);
  return (await response.json()) as T;
}

/** The seconds of the ticks that were submitted, the first one first. */
async function secondsOf(sluice: Sluice, queue = "orders"): Promise<readonly number[]> {
  const { requests, nextCursor } = await read<WireRequestList>(sluice, `/v1/requests?queue=${queue}&limit=200`);
  assert.equal(nextCursor, null);
  return requests.map(({ key }) => Date.parse((key ?? "").replace(/^schedule:\w+:/, "")) / 1_000).toReversed();
}

async function ticksAtLeast(sluice: Sluice, count: number): Promise<readonly number[]> {
  for (const signal = AbortSignal.timeout(60_000); ; await sleep(100)) {
    const seconds = await secondsOf(sluice);
    if (seconds.length >= count) return seconds;
    signal.throwIfAborted();
  }
}

function gapsIn(seconds: readonly number[]): readonly number[] {
  return seconds.slice(1).map((second, at) => second - (seconds[at] as number));
}

async function assertAllDone(sluice: Sluice): Promise<void> {
  for (const signal = AbortSignal.timeout(30_000); ; await sleep(100)) {
    const { counts, accepted } = await read<WireQueue>(sluice, "/v1/queues/orders");
    if (counts.done >= accepted - 1) break; // the next tick comes while it is read
    signal.throwIfAborted();
  }
  assert.equal((await read<WireAudit>(sluice, "/v1/audit")).holds, true);
}

test("one process, killed after a tick's commit and away for four seconds", { timeout: 180_000 }, async (t) => {
  for (const missed of ["skip", "last", "all"])
    await t.test(`missed: "${missed}"`, async () => {
      await using folder = await temporaryFolder();
      const configFile = join(folder.path, "sluice.config.ts");
      await writeFile(configFile, config(missed));
      const dataFolder = join(folder.path, "data");
      const doomed = await startSluice({ dataFolder, configFile, env: { SLUICE_CRASH_AT: "accept-committed:3" } });
      assert.equal((await doomed.exited).signal, "SIGKILL");
      await sleep(4_000);
      const killedAt = Date.now() / 1_000 - 4;
      await using sluice = await startSluice({ dataFolder, configFile });
      const startedAt = Date.now() / 1_000;
      const seconds = await ticksAtLeast(sluice, 9);
      const before = seconds.filter((second) => second <= killedAt);
      assert.equal(before.length, 3);
      const away = seconds.filter((second) => second > killedAt + 1 && second < startedAt - 3);
      if (missed === "all") assert.deepEqual(new Set(gapsIn(seconds)), new Set([1]), "each second, once");
      else assert.deepEqual(away, [], "but the latest, and what came since the start");
      assert.deepEqual(gapsIn(seconds).filter((gap) => gap !== 1).length, missed === "all" ? 0 : 1);
      const [schedule] = (await read<WireScheduleList>(sluice, "/v1/schedules")).schedules;
      assert.deepEqual([schedule?.name, schedule?.every, schedule?.missed], ["often", "1s", missed]);
      assert.ok(Date.parse(schedule?.lastAt ?? "") / 1_000 >= (seconds.at(-1) as number));
      await assertAllDone(sluice);
    });
});

test("two gateways, one killed after a tick's commit, then both", { timeout: 180_000 }, async () => {
  await using cluster = await openClusterUnderTest({ name: "ticking", config: config("all") });
  const { configFile } = cluster;
  const env = await cluster.newEnv();
  await migrate(configFile, env);
  await using _worker = await startSluiceWorker({ configFile, env });
  await using second = await startSluiceGateway({ configFile, env });
  const doomed = await startSluiceGateway({ configFile, env: { ...env, SLUICE_CRASH_AT: "accept-committed:2" } });
  assert.equal((await doomed.exited).signal, "SIGKILL");
  const { length } = await ticksAtLeast(second, 4);
  second.kill("SIGKILL");
  await second.exited;
  await sleep(4_000);
  await using third = await startSluiceGateway({ configFile, env });
  await using fourth = await startSluiceGateway({ configFile, env });
  const seconds = await ticksAtLeast(fourth, length + 10);
  assert.deepEqual(new Set(gapsIn(seconds)), new Set([1]), "each second, once");
  await assertAllDone(third);
  const last = await Promise.all([third, fourth].map((one) => read<WireScheduleList>(one, "/v1/schedules")));
  for (const { schedules } of last) assert.ok(Date.parse(schedules[0]?.lastAt ?? "") > 0);
});

test(
  "PostgreSQL is out for 70 seconds while a gateway runs: each policy, and no tick twice",
  { timeout: 300_000 },
  async () => {
    await using folder = await temporaryFolder();
    await using data = await temporaryFolder();
    const postgres = await startPostgres({ folder: data.path });
    const configFile = join(folder.path, "sluice.config.ts");
    const policies = ["skip", "last", "all"] as const;
    const queues = Object.fromEntries(policies.map((missed) => [missed, { target: "http://127.0.0.1:9/" }]));
    const schedules = Object.fromEntries(policies.map((missed) => [missed, { queue: missed, every: "1s", missed }]));
    await writeFile(configFile, `export default ${JSON.stringify({ queues, schedules })};\n`);
    const env = { DATABASE_URL: postgres.url, AMQP_URL: "", REDIS_URL: "" };
    await migrate(configFile, env);
    await using gateway = await startSluiceGateway({ configFile, env });
    const last = async (queue: string): Promise<number> => (await secondsOf(gateway, queue)).at(-1) ?? 0;
    while ((await last("all")) === 0) await sleep(100);
    await postgres[Symbol.asyncDispose]();
    await sleep(70_000);
    await using _again = await startPostgres({ folder: postgres.folder, port: postgres.port });
    const backAt = Date.now() / 1_000;
    for (const signal = AbortSignal.timeout(90_000); ; await sleep(500)) {
      signal.throwIfAborted();
      // They may fail while the gateway finds its server again.
      const newest = await Promise.all(policies.map((missed) => last(missed).catch(() => 0)));
      if (newest.every((second) => second > backAt + 5)) break;
    }
    for (const missed of policies) {
      const gaps = gapsIn(await secondsOf(gateway, missed)).filter((gap) => gap !== 1);
      if (missed === "all") assert.deepEqual(gaps, [], "each second, once");
      else
        assert.ok(
          gaps.length === 1 && (gaps[0] as number) > 5,
          `${missed}: ${gaps.join()}; the last minute is on time`,
        );
    }
  },
);

test(
  "a pattern that is none, or a body that its queue refuses, ends the start with 78",
  { timeout: 60_000 },
  async () => {
    await using folder = await temporaryFolder();
    const configFile = join(folder.path, "sluice.config.ts");
    for (const [from, to] of [
      ['every: "1s"', 'cron: "61 * * * *"'],
      ["handle: (", 'schema: { type: "array" }, handle: ('],
    ] as const) {
      await writeFile(configFile, config("last").replace(from, to));
      const args = ["up", "--config", configFile, "--data", join(folder.path, "data"), "--port", "0"];
      const { exitCode, stderr } = await runSluice({ args });
      assert.equal(exitCode, 78, stderr);
      assert.match(stderr, /^sluice: schedules\.often\.(cron|body): /);
    }
  },
);
