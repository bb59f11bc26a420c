// SIGHUP. A terminal that closes sends it: what was started there stops, as on SIGINT. Elsewhere it is the old request to read the
// configuration again: keys and certificates are read again whenever they change, so there is nothing to do.
import { isatty } from "node:tty";
import type { Logger } from "../telemetry/log.ts";
import { onClosedOutput } from "./closed-output.ts";

/** The signals that stop a server. On a terminal, SIGHUP is one of them; elsewhere it is logged. */
export function stopSignals(log: Logger): readonly NodeJS.Signals[] {
  if ([0, 1, 2].some((fd) => isatty(fd))) {
    onClosedOutput(() => {}); // a closed terminal takes no more lines: the stop goes on without
    return ["SIGINT", "SIGTERM", "SIGHUP"];
  }
  process.on("SIGHUP", () =>
    log.info("SIGHUP changes nothing: API keys and certificates are read again when they change"),
  );
  return ["SIGINT", "SIGTERM"];
}
