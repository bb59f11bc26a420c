// What handlers that compute cost the intake: in the gateway's own process, and in one beside it.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { startSluice, temporaryFolder, type Sluice } from "@sluice/testing";
import type { WireQueue } from "@sluice/client";
import { sluiceEntry } from "../../test/cluster-under-test.ts";

/** Several times what an intake takes, even on a machine that is busy with something else. */
const computesMs = 400;

const config = `
import { defineConfig } from ${sluiceEntry};

export default defineConfig({
  queues: {
    sums: {
      concurrency: 4,
      handle() { for (const until = performance.now() + ${computesMs}; performance.now() < until;); },
    },
    notes: { handle: () => undefined },
  },
});
`;

interface Measured {
  readonly intakes: number;
  readonly args?: readonly string[];
}

/** The times of single intakes, in order of size, while one handler after the other computes. */
async function measureIntake({ intakes, args = [] }: Measured): Promise<readonly number[]> {
  await using folder = await temporaryFolder();
  const configFile = join(folder.path, "sluice.config.ts");
  await writeFile(configFile, config);
  await using sluice = await startSluice({ dataFolder: join(folder.path, "data"), configFile, args });
  const headers = { "content-type": "application/x-ndjson" };
  const body = '{"body":1}\n'.repeat(1_000);
  assert.equal((await fetch(`${sluice.url}/v1/queues/sums/batches`, { method: "POST", body, headers })).status, 202);
  while ((await readSums(sluice)).counts.done === 0); // each look is a round trip
  const times: number[] = [];
  for (let sent = 0; sent < intakes; sent += 1) times.push(await timeIntake(sluice));
  assert.ok((await readSums(sluice)).counts.waiting > 0, "handlers computed all the while");
  return times.toSorted((a, b) => a - b);
}

async function timeIntake({ url }: Sluice): Promise<number> {
  const startedAt = performance.now();
  const { status } = await fetch(`${url}/v1/queues/notes/requests`, { method: "POST", body: "{}" });
  assert.equal(status, 202);
  return performance.now() - startedAt;
}

async function readSums({ url }: Sluice): Promise<WireQueue> {
  return (await (await fetch(`${url}/v1/queues/sums`)).json()) as WireQueue;
}

test("in a process of its own a handler that computes leaves the intake alone, in the gateway's it holds it up", async (context) => {
  const beside = await measureIntake({ intakes: 500, args: ["--processes", "1"] });
  const within = await measureIntake({ intakes: 5 });
  const [p99, median] = [beside[Math.ceil(beside.length * 0.99) - 1] ?? 0, within[2] ?? 0];
  context.diagnostic(`p99 beside it ${p99.toFixed(1)} ms; median within ${median.toFixed(0)} ms`);
  assert.ok(p99 < computesMs, `the 99th percentile is ${p99} ms, beside handlers of ${computesMs} ms`);
  assert.ok(median >= computesMs, `the median is ${median} ms in the process of handlers of ${computesMs} ms`);
});
