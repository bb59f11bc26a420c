import type { WorkedQueue } from "../config/config.ts";
import type { Logger } from "../telemetry/log.ts";
import { handlerRunner } from "../worker/handler-runner.ts";
import type { Runner } from "../worker/runner.ts";
import { targetRunner } from "../worker/target-runner.ts";
import type { WorkerEngine } from "../worker/worker-engine.ts";
import { openWorker, type Worker } from "../worker/worker.ts";

/** Opens the worker of a queue, as the configuration has it. */
export function workerOf(
  queue: WorkedQueue,
  { engine, log }: { readonly engine: WorkerEngine; readonly log: Logger },
): Worker {
  return openWorker({
    ...queue,
    engine,
    queue: queue.name,
    runner: runnerOf(queue, log),
    clock: engine.clock,
    random: Math.random,
    log,
  });
}

function runnerOf({ run, concurrency, resultBytesMax }: WorkedQueue, log: Logger): Runner {
  switch (run.kind) {
    case "handler":
      return handlerRunner({ handle: run.handle, resultBytesMax, log });
    case "target":
      return targetRunner({ url: run.url, rule: run.rule, connectionsMax: concurrency, resultBytesMax });
    default:
      return run satisfies never;
  }
}
