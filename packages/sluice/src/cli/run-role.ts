// One server process from its start to its end, alone or as one of several copies.
import { once } from "node:events";
import { flushCompileCache } from "node:module";
import type { Logger } from "../telemetry/log.ts";
import { exitCodes } from "./failure.ts";
import { catchInterrupts } from "./interrupt.ts";
import { findParent } from "./parent.ts";
import { printLine } from "./print.ts";
import type { Server } from "./serve.ts";

/** Starts the server, tells that it is ready, and stops it when asked to; a second signal ends the process at once. */
export async function runRole(start: () => Promise<Server>, log: Logger): Promise<void> {
  const parent = findParent();
  // The terminal's SIGINT reaches every copy, and the parent, which passes it on.
  using interrupts = catchInterrupts(parent === undefined ? ["SIGINT", "SIGTERM"] : ["SIGTERM"]);
  interrupts.abort.addEventListener("abort", leaveNow);
  const asked = parent === undefined ? interrupts.stop : AbortSignal.any([interrupts.stop, parent.gone]);

  const leaveEarly = (): never => process.exit(exitCodes.ok); // loses what a crash loses: nothing
  asked.addEventListener("abort", leaveEarly);
  const server = await start();
  asked.removeEventListener("abort", leaveEarly);

  if (parent === undefined) printLine(server.ready);
  else parent.ready(server.ready);
  flushCompileCache(); // one that is killed writes it no more
  if (!asked.aborted) await once(asked, "abort");
  log.info({ signal: interrupts.stop.aborted ? causeOf(interrupts.stop) : undefined }, "stopping");
  await server.stop();
  parent?.leave();
}

function causeOf({ reason }: AbortSignal): unknown {
  return reason instanceof Error ? reason.cause : undefined;
}

/** What runs is found again by the next start, or by the other members of a cluster. */
function leaveNow(): never {
  process.exit(exitCodes.failed);
}
