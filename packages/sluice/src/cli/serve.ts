// Puts the parts of one process together, and takes them down in the order that loses nothing.
import manifest from "../../package.json" with { type: "json" };
import type { QueueSettings, Settings } from "../config/config.ts";
import { systemClock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { openGateway } from "../gateway/gateway.ts";
import { defaultGatewayLimits } from "../gateway/limits.ts";
import type { Logger } from "../telemetry/log.ts";
import { handlerRunner } from "../worker/handler-runner.ts";
import type { Runner } from "../worker/runner.ts";
import { targetRunner } from "../worker/target-runner.ts";
import { openWorker, type Worker } from "../worker/worker.ts";

export interface Server {
  readonly url: string;
  /** Ends intake, drains the workers within the grace, then lets go of the store. */
  stop(): Promise<void>;
}

export async function serve(settings: Settings, log: Logger): Promise<Server> {
  const { data, queues, host, port, bodyBytesMax, graceMs } = settings;
  const engine = await openEmbedded({
    folder: data,
    owner: `process ${process.pid}`,
    queues,
    retentionMs: settings.retentionMs,
    diskFreeMin: settings.diskFreeMin,
  });
  const limits = { ...defaultGatewayLimits, bodyBytesMax };
  let workers: readonly Worker[] = [];
  try {
    const gateway = await openGateway({ engine, queues, limits, clock: systemClock, log, version: manifest.version });
    workers = queues.map((queue) => workerOf(queue, { engine, log }));
    const { url } = await gateway.listen({ host, port });
    log.info({ url, data, queues: queues.map(({ name }) => name) }, "started");
    return {
      url,
      async stop() {
        gateway.drain();
        await drain(workers, graceMs);
        await gateway.close();
        await engine.close();
        log.info("stopped");
      },
    };
  } catch (error) {
    await drain(workers, 0);
    await engine.close();
    throw isPortTaken(error) ? new SluiceError("bad-config", `port ${port} of ${host} is in use: give another`) : error;
  }
}

async function drain(workers: readonly Worker[], graceMs: number): Promise<void> {
  await Promise.all(workers.map((worker) => worker.drain({ graceMs })));
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

function workerOf(queue: QueueSettings, { engine, log }: { engine: Engine; log: Logger }): Worker {
  return openWorker({
    ...queue,
    engine,
    queue: queue.name,
    runner: runnerOf(queue, log),
    clock: systemClock,
    random: Math.random,
    log,
  });
}

function runnerOf({ run, concurrency, resultBytesMax }: QueueSettings, log: Logger): Runner {
  switch (run.kind) {
    case "handler":
      return handlerRunner({ handle: run.handle, resultBytesMax, log });
    case "target":
      return targetRunner({ url: run.url, connectionsMax: concurrency, resultBytesMax });
    default:
      return run satisfies never;
  }
}
