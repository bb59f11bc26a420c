// A great backlog: sent in batches to a Sluice that holds on to its first delivery, which is then killed.
import { fileURLToPath } from "node:url";
import type { Pool } from "undici";
import { body } from "../body.ts";
import { openPool } from "../open-pool.ts";
import type { Store } from "../peers/store.ts";
import { totalOf, usageOf } from "../process-usage.ts";

/** Delivers one request and holds on to it. */
export const holdingConfig = fileURLToPath(new URL("../peers/holding.config.ts", import.meta.url));

const batchLinesMax = 1_000;
const batchesUnderWay = 4;
const line = `${JSON.stringify({ body: JSON.parse(body) as unknown })}\n`;

export interface Filled {
  readonly perSecond: number;
  /** Of Sluice's own processes. */
  readonly peakRssMb: number;
}

export async function fill(store: Store, requests: number): Promise<Filled> {
  await using running = await store.start({ configFile: holdingConfig, isWorking: true });
  await using pool = openPool(new URL(running.queueUrl).origin, batchesUnderWay);
  const path = `${new URL(running.queueUrl).pathname}/batches`;
  const startedAt = performance.now();
  let left = requests;
  const send = async (): Promise<void> => {
    for (; left > 0;) {
      const lines = Math.min(left, batchLinesMax);
      left -= lines;
      await sendBatch(pool, { path, batch: line.repeat(lines) });
    }
  };
  await Promise.all(Array.from({ length: batchesUnderWay }, send));
  const elapsedSeconds = (performance.now() - startedAt) / 1_000;
  const { peakRssMb } = totalOf(usageOf(running.own));
  await running.kill();
  return { perSecond: requests / elapsedSeconds, peakRssMb };
}

async function sendBatch(pool: Pool, { path, batch }: { path: string; batch: string }): Promise<void> {
  const headers = { "content-type": "application/x-ndjson" };
  const answer = await pool.request({ method: "POST", path, headers, body: batch });
  const text = await answer.body.text();
  if (answer.statusCode !== 202) throw new Error(`a batch was answered with ${answer.statusCode}: ${text}`);
}
