import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder } from "@sluice/testing";
import type { Pool } from "undici";
import { openPool } from "../open-pool.ts";
import type { Peer } from "../peers/peer.ts";
import { now, type Visit } from "../peers/work.ts";
import { quantile } from "../statistics.ts";
import type { Measured, Scenario } from "./scenario.ts";

/** How many requests B processes at once, with every peer. */
const places = 64;
const placesEnv = {
  BULLMQ_CONCURRENCY: String(places),
  PG_BOSS_BATCH: "1",
  PG_BOSS_CONCURRENCY: String(places),
  PG_BOSS_POOL: "40",
  GRAPHILE_JOBS: String(places),
  GRAPHILE_POOL: "40",
  GRAPHILE_FETCH: String(places), // what it fetches ahead belongs to one worker: worker.graphile.org/docs/performance#batching
};
/** So B processes 320 a second, which every peer can deliver. */
const takesMs = 200;
const quietTenants = 10;
const quietPerSecond = 35;
/** Nine in ten requests: together they are a tenth more than B can process. */
const loudPerSecond = 9 * quietPerSecond;
const seconds = 12;
/** What comes before is not noted. */
const warmUpSeconds = 2;
/** One that has not begun by then has waited so long at least. */
const patienceMs = 20_000;

interface Flood {
  readonly orders: number;
  readonly takesMs: number;
}

/** Quiet tenants beside one that sends nine in ten requests, more than B can process: how long the quiet ones wait. */
export const neighbours: Scenario = {
  name: "neighbours",
  title: "wait of ten quiet tenants for B, p99, beside one that sends nine in ten requests (lower is better)",
  figure: "floodP99Ms",
  peers: ["bullmq", "pg-boss", "graphile-worker", "sluice", "cluster", "cluster-postgres"],
  bounds: (["sluice", "cluster", "cluster-postgres"] as const).flatMap((of) =>
    (["floodShare", "keysShare", "slowShare"] as const).map((figure) => ({ kind: "limit", of, figure, atMost: 1.5 })),
  ),
  async measure(peer: Peer): Promise<Measured> {
    const aloneP99Ms = await waitBeside(peer, undefined);
    const floodP99Ms = await waitBeside(peer, { orders: 0, takesMs });
    const keysP99Ms = await waitBeside(peer, { orders: 10_000, takesMs });
    const slowP99Ms = await waitBeside(peer, { orders: 0, takesMs: 10 * takesMs });
    const figures = {
      aloneP99Ms,
      floodP99Ms,
      keysP99Ms,
      slowP99Ms,
      floodShare: floodP99Ms / aloneP99Ms,
      keysShare: keysP99Ms / aloneP99Ms,
      slowShare: slowP99Ms / aloneP99Ms,
    };
    return { figures, usage: {} };
  },
};

/** The p99 of the quiet tenants' waits, in milliseconds. */
async function waitBeside(peer: Peer, flood: Flood | undefined): Promise<number> {
  await using folder = await temporaryFolder();
  await using own = await temporaryFolder();
  const waitsFile = join(own.path, "waits");
  await writeFile(waitsFile, "");
  const env = { ...placesEnv, BENCH_WAITS: waitsFile };
  await using running = await peer.start({ folder: folder.path, isWorking: true, env });
  const url = new URL(running.intakeUrl);
  await using pool = openPool(url.origin, 128);
  const send = (headers: Record<string, string>, visit: Visit): Promise<void> =>
    post(pool, { path: url.pathname, headers, body: JSON.stringify({ n: 1, visit }) });
  const startedAt = now();
  const noted: number[] = [];
  const quiet = arrive(quietPerSecond, async (index, at) => {
    const isNoted = at >= warmUpSeconds * 1_000;
    if (isNoted) noted.push(startedAt + at);
    await send({ "sluice-group": `quiet-${index % quietTenants}` }, { sentAt: startedAt + at, takesMs, isNoted });
  });
  const loud =
    flood &&
    arrive(loudPerSecond, async (index, at) => {
      const order = flood.orders === 0 ? {} : { "sluice-order": `key-${index % flood.orders}` };
      const visit = { sentAt: startedAt + at, takesMs: flood.takesMs, isNoted: false };
      await send({ "sluice-group": "loud", ...order }, visit);
    });
  await Promise.all([quiet, loud]);
  const waits = async (): Promise<readonly number[]> =>
    (await readFile(waitsFile, "utf8")).split("\n").filter(Boolean).map(Number);
  const until = now() + patienceMs;
  while (now() < until && (await waits()).length < noted.length) await sleep(100);
  const begun = await waits();
  // Those that have not begun are taken to be the last ones that were sent: the least that they can have waited.
  const waiting = noted.slice(begun.length).map((sentAt) => now() - sentAt);
  return quantile([...begun, ...waiting], 0.99);
}

/** At a constant rate, whatever becomes of those before. */
async function arrive(perSecond: number, send: (index: number, at: number) => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  const sent: Promise<void>[] = [];
  for (let index = 0; index < perSecond * seconds; index += 1) {
    const at = (index * 1_000) / perSecond;
    const early = startedAt + at - performance.now();
    if (early > 1) await sleep(early);
    sent.push(send(index, at));
  }
  await Promise.all(sent);
}

interface Call {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

async function post(pool: Pool, { path, headers, body }: Call): Promise<void> {
  const own = { "content-type": "application/json", ...headers };
  const answer = await pool.request({ method: "POST", path, headers: own, body });
  const text = await answer.body.text();
  if (answer.statusCode !== 202) throw new Error(`a request was answered with ${answer.statusCode}: ${text}`);
}
