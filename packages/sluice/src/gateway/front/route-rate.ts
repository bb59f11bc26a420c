// How much a route takes in: so many an hour, with a second's worth at once.
import { SluiceError } from "../../core/errors.ts";
import { QuotaMeter } from "../../core/quota.ts";

const hourSeconds = 3_600;

export class RouteRate {
  readonly #route: string;
  readonly #meter: QuotaMeter;

  /** `nowMs` is monotonic. */
  constructor(route: string, ratePerHour: number, nowMs: number) {
    this.#route = route;
    const count = Math.max(1, Math.round(ratePerHour / hourSeconds));
    const windowSeconds = (count * hourSeconds) / ratePerHour;
    this.#meter = new QuotaMeter({ text: "", count, windowSeconds }, nowMs);
  }

  /** Errors: `rate-limited`. */
  take(nowMs: number): void {
    const { isAllowed, afterSeconds } = this.#meter.take(nowMs);
    if (isAllowed) return;
    const message = `the route ${this.#route} is over its rate`;
    throw new SluiceError("rate-limited", message, { retryAfterSeconds: Math.max(1, afterSeconds) });
  }
}
