// What costs the engine a query: looks within a while share one reading.
import type { Clock } from "../core/clock.ts";

export interface SharedReadingOptions<Value> {
  readonly clock: Clock;
  readonly forMs: number;
  readonly read: () => Promise<Value>;
}

/** A reading that failed is shared by nobody who asks later. */
export function sharedReading<Value>({ clock, forMs, read }: SharedReadingOptions<Value>): () => Promise<Value> {
  let reading: Promise<Value> | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    const now = clock.monotonic();
    if (reading === undefined || now - readAt >= forMs) {
      readAt = now;
      const started = read();
      reading = started;
      started.catch(() => {
        if (reading === started) reading = undefined;
      });
    }
    return reading;
  };
}
