import { diag, DiagLogLevel } from "@opentelemetry/api";
import type { Logger } from "./log.ts";

/** What the exporters have to say: a collector that is out is no reason to stop. */
export function tellThrough(log: Logger): void {
  const warn = (message: string): void => log.warn({ err: message.slice(0, 500) }, "telemetry cannot be sent");
  const ignore = (): void => {};
  const logger = { error: warn, warn, info: ignore, debug: ignore, verbose: ignore };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}
