import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import type { Logger } from "../telemetry/log.ts";

const retryMs = 500;

export interface Patience {
  readonly waitMs: number;
  readonly log: Logger;
}

/** Tries again while a server is unreachable, or goes away again on the way, until the time is up. */
export async function whenReachable<T>(open: () => Promise<T>, { waitMs, log }: Patience): Promise<T> {
  const endsAt = systemClock.monotonic() + waitMs;
  let told = "";
  for (;;) {
    try {
      return await open();
    } catch (error) {
      const leftMs = endsAt - systemClock.monotonic();
      if (leftMs <= 0 || !(error instanceof SluiceError && error.consequence === "unavailable")) throw error;
      if (error.message !== told) log.warn({ err: error.message }, "waiting for a server");
      told = error.message;
      await sleep(Math.min(retryMs, leftMs));
    }
  }
}
