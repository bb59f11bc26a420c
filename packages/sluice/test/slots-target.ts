// A real target of known capacity, with a worker that discovers it: slots, and a queue before them.
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../src/core/clock.ts";
import { defaultRetryPolicy } from "../src/core/retry.ts";
import { openEmbedded } from "../src/engines/embedded/open.ts";
import { addressRule } from "../src/outbound/address-rule.ts";
import { plainTarget } from "../src/outbound/target.ts";
import { openLog } from "../src/telemetry/log.ts";
import type { Meter } from "../src/telemetry/meter.ts";
import { targetRunner } from "../src/worker/target-runner.ts";
import { openWorker } from "../src/worker/worker.ts";

export interface SlotsOptions {
  readonly slots: number;
  /** The mean; each takes up to 30 % less or more. */
  readonly serviceMs: number;
  readonly requests: number;
  /** Beyond so many in flight it responds 503. */
  readonly refusesBeyond?: number;
  readonly meter: Meter;
  /** Attempts at once, where they are fixed. */
  readonly concurrency?: number;
}

/** A request as the target saw it. */
export interface Served {
  readonly endedAt: number;
  readonly tookMs: number;
  /** Requests in flight when it came, with it. */
  readonly inFlight: number;
  readonly isRefused: boolean;
}

/** Works until the target has answered so many requests with 200; `look` is called before the worker goes. */
export async function workOnSlots(options: SlotsOptions, look?: () => Promise<void>): Promise<readonly Served[]> {
  const { slots, serviceMs, requests, refusesBeyond = Number.POSITIVE_INFINITY, meter, concurrency } = options;
  const served: Served[] = [];
  const waiting: (() => void)[] = [];
  const { promise: areAllDone, resolve: allDone } = Promise.withResolvers<void>();
  let [busy, inFlight, done] = [0, 0, 0];

  const serve = (): void => {
    if (busy >= slots) return;
    const next = waiting.shift();
    if (next === undefined) return;
    busy += 1;
    next();
  };
  const respond = (response: ServerResponse, status: number, arrival: { at: number; inFlight: number }): void => {
    inFlight -= 1;
    const endedAt = performance.now();
    served.push({ endedAt, tookMs: endedAt - arrival.at, inFlight: arrival.inFlight, isRefused: status !== 200 });
    response.writeHead(status).end();
    if (status === 200) done += 1;
    if (done === requests) allDone();
  };
  const server = createServer((request, response) => {
    request.resume();
    inFlight += 1;
    const arrival = { at: performance.now(), inFlight };
    if (inFlight > refusesBeyond) return respond(response, 503, arrival);
    waiting.push(() =>
      setTimeout(
        () => {
          busy -= 1;
          respond(response, 200, arrival);
          serve();
        },
        serviceMs * (0.7 + 0.6 * Math.random()),
      ),
    );
    serve();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  const queue = "orders";
  const folder = await mkdtemp(join(tmpdir(), "sluice-slots-"));
  const engine = await openEmbedded({ folder, queues: [{ name: queue, backlogMax: requests, backlogBytesMax: 1e9 }] });
  for (let accepted = 0; accepted < requests; accepted += 1_000)
    await engine.accept(
      Array.from({ length: Math.min(1_000, requests - accepted) }, () => ({
        queue,
        key: undefined,
        contentType: "application/json",
        headers: undefined,
        body: Buffer.from("{}"),
      })),
    );
  const most = concurrency ?? 100;
  const worker = openWorker({
    engine,
    queue,
    runner: targetRunner({
      target: plainTarget(new URL(`http://127.0.0.1:${port}/`), addressRule({ allow: ["127.0.0.1"] })),
      clock: systemClock,
      connectionsMax: most,
      resultBytesMax: 100,
      timeoutMs: 10_000,
      retryAfterMaxMs: 1_000,
    }),
    concurrency: most,
    isAuto: concurrency === undefined,
    ratePerHour: undefined,
    timeoutMs: 10_000,
    retryPolicy: { ...defaultRetryPolicy, backoffMs: 10, attemptsMax: 100 },
    clock: systemClock,
    random: Math.random,
    log: openLog({ level: "silent", isPretty: false }),
    meter,
  });
  await areAllDone;
  await look?.();
  await worker.drain({ graceMs: 1_000 });
  await engine.close();
  server.close();
  await rm(folder, { recursive: true });
  return served;
}
