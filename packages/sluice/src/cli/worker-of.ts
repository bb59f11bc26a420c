import type { Tracer } from "@opentelemetry/api";
import type { WorkedQueue } from "../config/settings.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import { callbackRunner } from "../worker/callback-runner.ts";
import { handlerRunner } from "../worker/handler-runner.ts";
import type { Runner } from "../worker/runner.ts";
import { targetRunner } from "../worker/target-runner.ts";
import type { WorkerEngine } from "../worker/worker-engine.ts";
import type { tracedRunner } from "../worker/traced-runner.ts";
import { openWorker, type Worker } from "../worker/worker.ts";

interface WorkerParts {
  readonly engine: WorkerEngine;
  readonly log: Logger;
  readonly meter: Meter;
  /** Makes spans of the attempts. */
  readonly tracing?: Tracing | undefined;
}

export interface Tracing {
  readonly tracer: Tracer;
  readonly tracedRunner: typeof tracedRunner;
}

/** Opens the worker of a queue, as the configuration has it. */
export function workerOf(queue: WorkedQueue, { engine, log, meter, tracing }: WorkerParts): Worker {
  return openWorker({
    ...queue,
    engine,
    queue: queue.name,
    runner: tracedWhere(tracing, runnerOf(queue, { clock: engine.clock, log }), { queue, clock: engine.clock }),
    clock: engine.clock,
    random: Math.random,
    log,
    meter,
  });
}

/** Loaded only where spans are sent. */
export async function tracingBy(tracer: Tracer | undefined): Promise<Tracing | undefined> {
  return tracer && { tracer, tracedRunner: (await import("../worker/traced-runner.ts")).tracedRunner };
}

interface Traceable {
  readonly queue: WorkedQueue;
  readonly clock: Clock;
}

function tracedWhere(tracing: Tracing | undefined, runner: Runner, { queue: { run }, clock }: Traceable): Runner {
  if (tracing === undefined) return runner;
  const target = run.kind === "target" ? run.target.url : undefined;
  return tracing.tracedRunner(runner, { tracer: tracing.tracer, clock, target });
}

interface RunnerNeeds {
  readonly clock: Clock;
  readonly log: Logger;
}

function runnerOf({ run, resultBytesMax, ...queue }: WorkedQueue, { clock, log }: RunnerNeeds): Runner {
  const { concurrency, timeoutMs } = queue;
  const { retryAfterMaxMs } = queue.retryPolicy;
  const calls = { timeoutMs, retryAfterMaxMs };
  switch (run.kind) {
    case "handler":
      return handlerRunner({ handle: run.handle, resultBytesMax, log });
    case "target":
      return targetRunner({ target: run.target, connectionsMax: concurrency, resultBytesMax, clock, ...calls });
    case "callbacks": {
      const { secretsOf, rule } = run;
      const own = { answerBytesMax: resultBytesMax, concurrency, clock, random: Math.random, log };
      return callbackRunner({ secretsOf, rule, ...own, ...calls });
    }
    default:
      return run satisfies never;
  }
}
