// What runs in a process: the product's engine and, in a worker, the product's worker loop on a handler of ours.
import { pino } from "pino";
import type { Logger } from "pino";
import { lineSettingsDefault, type LineSettings } from "../../packages/sluice/src/core/line-settings.ts";
import { openCluster } from "../../packages/sluice/src/engines/cluster/open.ts";
import type { ClusterEngine } from "../../packages/sluice/src/engines/cluster/engine.ts";
import type { Handler } from "../../packages/sluice/src/worker/handler.ts";
import { handlerRunner } from "../../packages/sluice/src/worker/handler-runner.ts";
import { openWorker, type Worker } from "../../packages/sluice/src/worker/worker.ts";
import { boundedQueue, groupConcurrency } from "./group-bound.ts";
import { drawsLines } from "./plan.ts";
import type { Process } from "./process.ts";
import { queues, prefix, type World } from "./world.ts";

const graceMs = 2_000;
const concurrency = 3;
const timeoutMs = 5_000;
const mailsPerHour = 72_000;
const retryPolicy = {
  attemptsMax: 4,
  backoffMs: 200,
  backoffMaxMs: 2_000,
  retryAfterMaxMs: 2_000,
  ageMaxMs: 86_400_000,
};
export const crashesMax = 5;
const boundedLines = { ...lineSettingsDefault, concurrency: groupConcurrency };

export class Member {
  readonly process: Process;
  readonly engine: ClusterEngine;
  readonly #workers: readonly Worker[];
  isStopping = false;

  private constructor(process: Process, engine: ClusterEngine, workers: readonly Worker[]) {
    this.process = process;
    this.engine = engine;
    this.#workers = workers;
  }

  /** Rejects when a server that it needs is out. */
  static async open(world: World, process: Process, handle: Handler): Promise<Member> {
    const log = logOf(world, process);
    const amqpUrl = world.drawsRabbitmq() ? "amqp://broker" : undefined;
    const engine = await openCluster({
      servers: { databaseUrl: "postgres://ledger/sim", amqpUrl, redisUrl: "redis://cache", prefix },
      queues: queues.map((name) => ({
        name,
        backlogMax: 10_000,
        backlogBytesMax: 10_000_000,
        lines: linesOf(world, name),
      })),
      name: process.name,
      log,
      crashesMax,
    });
    const workers =
      process.role === "gateway" ? [] : queues.map((queue) => workerOf(queue, { world, engine, log, handle }));
    return new Member(process, engine, workers);
  }

  /** As SIGTERM ends it. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.#workers.map((worker) => worker.drain({ graceMs })));
    await this.engine.close();
  }
}

/** The others have lines from their first request in one on. */
function linesOf({ seed }: World, queue: string): LineSettings | undefined {
  return queue === boundedQueue && drawsLines(seed) ? boundedLines : undefined;
}

interface WorkerParts {
  readonly world: World;
  readonly engine: ClusterEngine;
  readonly log: Logger;
  readonly handle: Handler;
}

function workerOf(queue: string, { world, engine, log, handle }: WorkerParts): Worker {
  return openWorker({
    engine: world.checks.watching(engine),
    queue,
    runner: handlerRunner({ handle, resultBytesMax: 1_000_000, log }),
    concurrency,
    ratePerHour: queue === "mails" ? mailsPerHour : undefined,
    isTransactional: queue === "books",
    timeoutMs,
    retryPolicy,
    clock: engine.clock,
    random: () => world.random.next(),
    log,
  });
}

interface LogLine {
  readonly level: number;
  readonly msg?: string;
  readonly err?: string;
}

const errorLevel = 50;

/** What the product logs is part of the history; an error that it logs is a defect. */
function logOf(world: World, process: Process): Logger {
  const write = (text: string): void => {
    const line = JSON.parse(text) as LogLine;
    world.note(process, () => `logs ${text.trim()}`);
    world.checks.logged(line.msg ?? "", process);
    if (line.level >= errorLevel) world.checks.broke(`${process.name} logged an error: ${line.msg}: ${line.err}`);
  };
  return pino({ level: world.isTraced ? "debug" : "warn", base: null, timestamp: false }, { write });
}
