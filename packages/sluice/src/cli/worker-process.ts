// A worker process of `sluice up --processes`: runs the requests that its parent deals out, and goes with it.
import { once } from "node:events";
import { writeSync } from "node:fs";
import { hostname } from "node:os";
import { Worker as Thread } from "node:worker_threads";
import manifest from "../../package.json" with { type: "json" };
import type { UpSettings } from "../config/settings.ts";
import { systemClock } from "../core/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { openExport } from "../telemetry/export.ts";
import { Meter } from "../telemetry/meter.ts";
import type { Answer } from "../worker/remote/wire.ts";
import { RemoteEngine } from "../worker/remote/remote-engine.ts";
import { exitCodes } from "./failure.ts";
import { catchInterrupts } from "./interrupt.ts";
import { logUncaught } from "./uncaught.ts";
import { tracingBy, workerOf } from "./worker-of.ts";
import { processFds } from "./worker-process-mark.ts";

/** Works until it is asked to go; what it runs then may finish within the grace, the rest is handed back. */
export async function runWorkerProcess({ queues, graceMs }: UpSettings, log: Logger): Promise<void> {
  logUncaught(log);
  using interrupts = catchInterrupts({ signals: ["SIGTERM"] });
  // The terminal's reach the parent too, which passes them on.
  for (const signal of ["SIGINT", "SIGHUP"]) process.on(signal, () => {});
  process.once("disconnect", leaveNow);
  holdLifeline();
  const engine = new RemoteEngine({
    clock: systemClock,
    send: (messages) => void process.send?.(messages, leaveIfOrphaned),
    writeBegin: (record) => void writeSync(processFds.begins, record),
  });
  process.on("message", (answers: readonly Answer[]) => engine.receive(answers));
  const meter = new Meter();
  const telemetry = await openExport({
    meter,
    instance: `process ${process.pid} on ${hostname()}`,
    version: manifest.version,
    env: process.env,
    log,
  });
  const tracing = await tracingBy(telemetry.tracer);
  const workers = queues.map((queue) => workerOf(queue, { engine, log, meter, tracing }));
  if (!interrupts.stop.aborted) await once(interrupts.stop, "abort");
  await Promise.all(workers.map((worker) => worker.drain({ graceMs })));
  await telemetry[Symbol.asyncDispose]();
  process.exit(exitCodes.ok); // whatever a handler has left running is nobody's any more
}

function holdLifeline(): void {
  const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
  const file = new URL(`lifeline${extension}`, import.meta.url);
  new Thread(file, { workerData: { fd: processFds.lifeline } }).unref();
}

function leaveIfOrphaned(error: Error | null): void {
  if (error !== null) leaveNow();
}

/** The parent has died: nobody is there to be told of an outcome. Its next start finds the claims. */
function leaveNow(): never {
  process.exit(exitCodes.failed);
}
