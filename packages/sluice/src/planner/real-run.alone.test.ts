// The plan beside the embedded engine: ten hours of the case in six seconds, a thousandth of its requests.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { setInterval as ticks } from "node:timers/promises";
import { systemClock } from "../core/clock.ts";
import { defaultRetryPolicy } from "../core/retry.ts";
import type { Engine } from "../engine/engine.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { openLog } from "../telemetry/log.ts";
import { handlerRunner } from "../worker/handler-runner.ts";
import { openWorker } from "../worker/worker.ts";
import { parseArrivals } from "./arrivals.ts";
import { backlogAt } from "./backlog-at.ts";
import { plan, samplesOf, type PlanOptions } from "./plan.ts";

const queue = "orders";
const hourMs = 3_600_000;
const timeFactor = 6_000;
const countFactor = 1_000;
const sendMs = (10 * hourMs) / timeFactor;
const total = 2_000_000 / countFactor;
const servicePerHour = (100_000 * timeFactor) / countFactor;
/** Of the planned peak. */
const tolerance = 0.05;
const log = openLog({ level: "silent", isPretty: false });

interface Reading {
  readonly atMs: number;
  readonly backlog: number;
}

test("the backlog of a real run stays within 5 % of the plan's all day long, and is gone when the plan says", async () => {
  const arrivals = parseArrivals("200000/h for 10h", 0);
  const service = { perReplicaPerHour: 100_000, ratePerHour: undefined };
  const options: PlanOptions = {
    arrivals,
    service,
    maxWaitMs: hourMs,
    diskBytesPerRequest: 0,
    replicas: { kind: "table", most: 1 },
  };
  const [planned] = plan(options).runs;
  assert.ok(planned);
  const samples = samplesOf(options, planned);
  const readings = await runForReal();
  const peak = planned.peakBacklog / countFactor;
  for (const { atMs, backlog } of readings) {
    const expected = backlogAt(samples, atMs * timeFactor) / countFactor;
    const said = `at ${Math.round(atMs)} ms: ${backlog} measured, ${Math.round(expected)} planned`;
    assert.ok(Math.abs(backlog - expected) <= tolerance * peak, said);
  }
  const measuredPeak = Math.max(...readings.map(({ backlog }) => backlog));
  assert.ok(Math.abs(measuredPeak - peak) <= tolerance * peak, `${measuredPeak} at the peak, ${peak} planned`);
  const finishedMs = (readings.at(-1) as Reading).atMs * timeFactor;
  const lateBy = finishedMs / planned.finishedAfterMs - 1;
  assert.ok(Math.abs(lateBy) <= tolerance, `finished ${(lateBy * 100).toFixed(1)} % off the plan`);
});

/** Sends at an even pace while a worker finishes at half of it; reads the backlog until it is gone. */
async function runForReal(): Promise<readonly Reading[]> {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-plan-run-"));
  try {
    await using engine = await openEmbedded({
      folder,
      queues: [{ name: queue, backlogMax: 10_000, backlogBytesMax: 10_000_000 }],
    });
    const worker = openWorker({
      engine,
      queue,
      runner: handlerRunner({ handle: () => ({ isDone: true }), resultBytesMax: 1_000, log }),
      concurrency: 16,
      ratePerHour: servicePerHour,
      timeoutMs: 5_000,
      retryPolicy: defaultRetryPolicy,
      clock: systemClock,
      random: () => 0.5,
      log,
    });
    const readings = await sendAndRead(engine);
    await worker.drain({ graceMs: 1_000 });
    return readings;
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function sendAndRead(engine: Engine): Promise<readonly Reading[]> {
  const readings: Reading[] = [];
  const startedAt = systemClock.monotonic();
  let sent = 0;
  for await (const _tick of ticks(20)) {
    const elapsedMs = systemClock.monotonic() - startedAt;
    const due = Math.floor(Math.min(1, elapsedMs / sendMs) * total) - sent;
    if (due > 0) await send(engine, due);
    sent += due;
    const [status] = await engine.backlog();
    const reading = { atMs: systemClock.monotonic() - startedAt, backlog: status?.backlog ?? 0 };
    readings.push(reading);
    if ((sent === total && reading.backlog === 0) || elapsedMs > sendMs * 3.5) break;
  }
  return readings;
}

async function send(engine: Engine, count: number): Promise<void> {
  const request = { queue, key: undefined, contentType: "text/plain", headers: undefined, body: Buffer.from("x") };
  const result = await engine.accept(Array.from({ length: count }, () => request));
  assert.equal(result.kind, "accepted");
}
