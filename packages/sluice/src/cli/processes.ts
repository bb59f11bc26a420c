// `sluice up --processes`: the requests are run by processes of their own, the store stays in this one.
import { fork } from "node:child_process";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { openAutoscaler } from "../autoscaler/autoscaler.ts";
import { copyOf, openProcessPool, type Copy, type End } from "../autoscaler/platforms/process-pool.ts";
import type { WorkSettings } from "../config/settings.ts";
import { systemClock } from "../core/clock.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import { EngineHost } from "../worker/remote/engine-host.ts";
import type { Worker } from "../worker/worker.ts";
import { sluiceCommand } from "./command-file.ts";
import { markedEnv, processFds } from "./worker-process-mark.ts";

/** How many worker processes there are to be; by the policy of scaling where the two differ. */
export interface ProcessRange {
  readonly min: number;
  readonly max: number;
}

export interface ProcessesOptions {
  readonly range: ProcessRange;
  readonly work: WorkSettings;
  readonly log: Logger;
  readonly meter: Meter;
}

/** After the drain's own grace, for what hangs. */
const killMarginMs = 5_000;
/** A crash is the request's more often than the machine's: other requests do not wait long for their process. */
const restartMinMs = 100;
/** For what a dead process said last to be read. */
const lastWordsMs = 1_000;

/** Starts them. Draining lets all go; each finishes what it runs, or hands it back. */
export async function openProcesses(engine: Engine, { range, work, log, meter }: ProcessesOptions): Promise<Worker> {
  await using opened = new AsyncDisposableStack();
  const host = new EngineHost({ engine, queues: work.queues, clock: systemClock, log });
  opened.defer(() => host.close());
  const start = (): Copy => startProcess(host, log);
  const platform = opened.use(openProcessPool({ start, graceMs: work.graceMs + killMarginMs, restartMinMs, log }));
  await platform.scaleTo(range.min, (await platform.replicas()).version);
  if (range.min !== range.max) {
    const queues = work.queues.map(({ name, ratePerHour, scaling }) => ({
      name,
      goal: { ...scaling, ...range, ratePerHour },
    }));
    const everyMs = lookEveryMs(work);
    const loop = openAutoscaler({
      engine,
      platform,
      leadership: undefined, // the folder has one owner
      queues,
      isDryRun: false,
      everyMs,
      clock: engine.clock,
      log,
      meter,
    });
    opened.defer(() => loop.close());
  }
  const resources = opened.move();
  return { drain: () => resources.disposeAsync() };
}

/** Often enough for the shortest wait that is to be kept. */
function lookEveryMs({ queues }: WorkSettings): number {
  const shortestMs = Math.min(...queues.map(({ scaling }) => scaling.maxWaitMs));
  return Math.min(5_000, Math.max(250, shortestMs / 4));
}

function startProcess(host: EngineHost, log: Logger): Copy {
  const child = fork(sluiceCommand, process.argv.slice(2), {
    execArgv: process.execArgv,
    env: { ...process.env, ...markedEnv },
    serialization: "advanced", // bodies and results cross as bytes
    stdio: ["ignore", "inherit", "inherit", "ipc", "pipe", "pipe"],
  });
  const connection = host.connect({
    send(answers) {
      if (child.connected) child.send(answers, () => {}); // to one that has just died: its end is told
    },
    onStuck({ queue, id }) {
      log.warn({ queue, id, pid: child.pid }, "a handler holds its process past the timeout: it is killed");
      child.kill("SIGKILL"); // which is a crash of what it runs
    },
  });
  child.on("error", () => {});
  child.on("message", (received) => connection.receive(received));
  const pipes: readonly unknown[] = child.stdio;
  const begins = pipes[processFds.begins] as Readable | undefined; // none if it could not be started
  begins?.on("data", (chunk: Buffer) => connection.receiveBegins(chunk)).on("error", () => {});
  const lifeline = pipes[processFds.lifeline] as Readable | undefined;
  lifeline?.resume().on("error", () => {});
  const closed = new Promise((resolve) => void child.once("close", resolve));
  const { pid, kill, ended } = copyOf(child);
  let isKilledHere = false;
  return {
    pid,
    kill(signal) {
      if (signal === "SIGKILL") isKilledHere = true;
      kill(signal);
    },
    ended: ended.then(async (end): Promise<End> => {
      if (pid !== undefined) await Promise.race([closed, sleep(lastWordsMs, undefined, { ref: false })]);
      await connection.gone({ isCrash: !isKilledHere });
      return { ...end, hasWorked: connection.hasBegun };
    }),
  };
}
