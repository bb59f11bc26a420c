// Keeps the audit that the metrics and the overview tell of from getting old, while somebody looks at them. An audit looks at
// every row, so nobody who looks waits for one, and it rests a hundred times as long as it took.
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../telemetry/log.ts";

export interface AuditRenewalOptions {
  readonly audit: () => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
}

const restMsMin = 60_000;
const restPerWork = 100;

export class AuditRenewal {
  readonly #options: AuditRenewalOptions;
  #nextAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(options: AuditRenewalOptions) {
    this.#options = options;
  }

  /** Somebody looks: starts an audit when it is time for one. Whoever closes the engine settles it. */
  looked(): void {
    if (this.#isClosed || this.#options.clock.monotonic() < this.#nextAt) return;
    this.#nextAt = Number.POSITIVE_INFINITY; // while it runs
    void this.#renew();
  }

  close(): void {
    this.#isClosed = true;
  }

  async #renew(): Promise<void> {
    const { audit, clock, log } = this.#options;
    const startedAt = clock.monotonic();
    try {
      await audit();
    } catch (error) {
      if (!this.#isClosed) log.warn({ err: messageOf(error) }, "an audit failed: the last verdict stays");
    }
    const endedAt = clock.monotonic();
    this.#nextAt = endedAt + Math.max(restMsMin, restPerWork * (endedAt - startedAt));
  }
}
