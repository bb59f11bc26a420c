// One server process from its start to its end, alone or as one of several copies.
import { once } from "node:events";
import { flushCompileCache } from "node:module";
import type { Logger } from "../telemetry/log.ts";
import { exitCodes } from "./failure.ts";
import { stopSignals } from "./hang-up.ts";
import { catchInterrupts, causeOf } from "./interrupt.ts";
import { findParent } from "./parent.ts";
import { printLine } from "./print.ts";
import type { Server } from "./serve.ts";
import { logUncaught } from "./uncaught.ts";

/** For what is still being written. Whatever a handler has left open is nobody's any more, and may not hold the process. */
const lastMomentMs = 1_000;

/**
 * Starts the server, tells that it is ready, and stops it when asked to. SIGTERM lets it linger first, for the proxies in front;
 * SIGINT does not, and any signal ends the lingering. One more signal ends the process at once.
 * The advice is for an error of a handler that nothing catches.
 */
export async function runRole(start: () => Promise<Server>, log: Logger, advice?: string): Promise<void> {
  logUncaught(log, advice);
  const parent = findParent();
  const hurry = new AbortController();
  let isLingering = false;
  using interrupts = catchInterrupts({
    // The terminal's signals reach every copy, and the parent, which passes them on.
    signals: parent === undefined ? stopSignals(log) : ["SIGTERM"],
    onAgain: () => {
      const isNew = !hurry.signal.aborted;
      hurry.abort();
      return isNew && isLingering;
    },
  });
  interrupts.abort.addEventListener("abort", leaveNow);
  const asked = parent === undefined ? interrupts.stop : AbortSignal.any([interrupts.stop, parent.stop]);

  const leaveEarly = (): never => process.exit(exitCodes.ok); // loses what a crash loses: nothing
  asked.addEventListener("abort", leaveEarly);
  const server = await start();
  asked.removeEventListener("abort", leaveEarly);

  if (parent === undefined) printLine(server.ready);
  else parent.ready(server.ready);
  flushCompileCache(); // one that is killed writes it no more
  if (!asked.aborted) await once(asked, "abort");
  const signal = interrupts.stop.aborted ? causeOf(interrupts.stop) : undefined;
  log.info({ signal }, "stopping");
  if (parent === undefined && signal !== "SIGTERM") hurry.abort();
  isLingering = true;
  parent?.lingering(true);
  await server.linger(parent === undefined ? hurry.signal : AbortSignal.any([hurry.signal, parent.hurry]));
  isLingering = false;
  parent?.lingering(false);
  await server.stop();
  parent?.leave();
  setTimeout(() => process.exit(), lastMomentMs).unref();
}

/** What runs is found again by the next start, or by the other members of a cluster. */
function leaveNow(): never {
  process.exit(exitCodes.failed);
}
