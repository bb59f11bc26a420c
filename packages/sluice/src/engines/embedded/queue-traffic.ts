// What the engine knows of a queue beside the store: lost with the process.
import type { Clock } from "../../core/clock.ts";
import { RateMeter } from "../../core/rate-meter.ts";

export interface QueueTraffic {
  readonly accepting: RateMeter;
  readonly finishing: RateMeter;
  workers: number;
  breakersOpen: number;
}

export function newTraffic(clock: Clock): QueueTraffic {
  return { accepting: new RateMeter(clock), finishing: new RateMeter(clock), workers: 0, breakersOpen: 0 };
}
