// The last line of a process that ends by an error that nothing caught: most often one that a handler left behind in a timer,
// a promise or a listener. It is right that it ends, since nobody knows what state it is in, and Node.js ends it with code 1.
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../telemetry/log.ts";

/** From now on. The advice is for the case that the error is a handler's. */
export function logUncaught(log: Logger, advice?: string): void {
  process.on("uncaughtExceptionMonitor", (error: unknown, origin) => {
    const err = error instanceof Error ? error : messageOf(error);
    log.fatal(
      { err, origin, advice },
      "an error that nothing caught ends this process; the requests it was running will run again",
    );
  });
}
