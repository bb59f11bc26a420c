import type { WorkedQueue } from "../config/config.ts";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import { callbackRunner } from "../worker/callback-runner.ts";
import { handlerRunner } from "../worker/handler-runner.ts";
import type { Runner } from "../worker/runner.ts";
import { targetRunner } from "../worker/target-runner.ts";
import type { WorkerEngine } from "../worker/worker-engine.ts";
import { openWorker, type Worker } from "../worker/worker.ts";

interface WorkerParts {
  readonly engine: WorkerEngine;
  readonly log: Logger;
  readonly meter: Meter;
}

/** Opens the worker of a queue, as the configuration has it. */
export function workerOf(queue: WorkedQueue, { engine, log, meter }: WorkerParts): Worker {
  return openWorker({
    ...queue,
    engine,
    queue: queue.name,
    runner: runnerOf(queue, { clock: engine.clock, log }),
    clock: engine.clock,
    random: Math.random,
    log,
    meter,
  });
}

interface RunnerNeeds {
  readonly clock: Clock;
  readonly log: Logger;
}

function runnerOf({ run, concurrency, resultBytesMax }: WorkedQueue, { clock, log }: RunnerNeeds): Runner {
  switch (run.kind) {
    case "handler":
      return handlerRunner({ handle: run.handle, resultBytesMax, log });
    case "target":
      return targetRunner({ url: run.url, connectionsMax: concurrency, resultBytesMax });
    case "callbacks": {
      const { secretsOf } = run;
      return callbackRunner({ secretsOf, connectionsMax: concurrency, answerBytesMax: resultBytesMax, clock });
    }
    default:
      return run satisfies never;
  }
}
