import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "@sluice/testing";
import type { Pool } from "undici";
import { body } from "../body.ts";
import { openPool } from "../open-pool.ts";
import type { Peer } from "../peers/peer.ts";
import { totalOf, usageOf, usedBetween } from "../process-usage.ts";
import { quantile } from "../statistics.ts";
import type { Measured, Scenario, Settings } from "./scenario.ts";

const warmUpSeconds = 3;

/**
 * How long an answer takes at a given rate, whatever the answers do: each request has its due time,
 * and its wait counts from there. Requests are worked on meanwhile.
 */
export const rated: Scenario = {
  name: "rated",
  title: "answer times at a constant rate of arrivals (p99: lower is better)",
  figure: "p99Ms",
  peers: ["bare", "bullmq", "textbook", "pg-boss", "graphile-worker", "sluice", "cluster", "cluster-postgres"],
  bounds: [
    { kind: "limit", of: "sluice", figure: "p99Ms", atMost: 10 },
    { kind: "limit", of: "cluster", figure: "p99Ms", atMost: 20 },
  ],
  async measure(peer: Peer, { ratedSeconds: seconds, ratePerHour, profileFolder }: Settings): Promise<Measured> {
    await using folder = await temporaryFolder();
    await using running = await peer.start({ folder: folder.path, isWorking: true, profileFolder });
    const url = new URL(running.intakeUrl);
    await arrive({ url, ratePerHour, seconds: warmUpSeconds });
    const before = usageOf(running.processes);
    const waitsMs = await arrive({ url, ratePerHour, seconds });
    const usage = usedBetween(before, usageOf(running.processes));
    const { cpuSeconds, peakRssMb } = totalOf(usage);
    return {
      figures: {
        perSecond: waitsMs.length / seconds,
        p50Ms: quantile(waitsMs, 0.5),
        p99Ms: quantile(waitsMs, 0.99),
        requests: waitsMs.length,
        cpuSecondsPer100k: (cpuSeconds / waitsMs.length) * 1e5,
        peakRssMb,
      },
      usage,
    };
  },
};

interface Arrivals {
  readonly url: URL;
  readonly ratePerHour: number;
  readonly seconds: number;
}

async function arrive({ url, ratePerHour, seconds }: Arrivals): Promise<readonly number[]> {
  await using pool = openPool(url.origin, 128);
  const everyMs = 3_600_000 / ratePerHour;
  const startedAt = performance.now();
  const waits: Promise<number>[] = [];
  for (let index = 0; index * everyMs < seconds * 1_000; index += 1) {
    const dueAt = startedAt + index * everyMs;
    await until(dueAt);
    waits.push(post(pool, { path: url.pathname, dueAt }));
  }
  return await Promise.all(waits);
}

/** Timers are late by up to a millisecond or two, which is what is measured here: the last bit is spun. */
async function until(dueAt: number): Promise<void> {
  const leftMs = dueAt - performance.now();
  if (leftMs > 3) await sleep(leftMs - 2);
  while (performance.now() < dueAt) await nextTurn();
}

async function post(pool: Pool, { path, dueAt }: { path: string; dueAt: number }): Promise<number> {
  const headers = { "content-type": "application/json" };
  const answer = await pool.request({ method: "POST", path, headers, body });
  await answer.body.dump();
  if (answer.statusCode !== 202) throw new Error(`POST ${path} answered ${answer.statusCode}`);
  return performance.now() - dueAt;
}
