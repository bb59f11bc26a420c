// Keeps the audit that the metrics tell of from getting old: an alert for missing requests is worth what the last audit is.
// An audit counts every row, so nobody who looks waits for one, and it rests a hundred times as long as it took.
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Logger } from "../telemetry/log.ts";

export interface AuditRenewalOptions {
  readonly audit: () => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A start has other things to do. */
const firstMs = 60_000;
const restMsMin = 300_000;
const restPerWork = 100;

export class AuditRenewal {
  readonly #options: AuditRenewalOptions;
  #nextAt: number;
  #isClosed = false;

  constructor(options: AuditRenewalOptions) {
    this.#options = options;
    this.#nextAt = options.clock.monotonic() + firstMs;
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
      if (!this.#isClosed) log.warn({ err: messageOf(error) }, "the audit for the metrics failed");
    }
    const endedAt = clock.monotonic();
    this.#nextAt = endedAt + Math.max(restMsMin, restPerWork * (endedAt - startedAt));
  }
}
