// What the last audit of this process found. An audit reads every row: it is run when somebody asks, not by a scrape.
import type { Clock } from "../core/clock.ts";
import { observe, type Observation } from "../telemetry/meter.ts";
import type { AuditReport, QueueAudit } from "./audit.ts";

export class LastAudit {
  readonly #clock: Clock;
  #last: { readonly at: number; readonly holds: boolean; readonly queues: readonly QueueAudit[] } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note({ holds, queues }: AuditReport): void {
    this.#last = { at: this.#clock.monotonic(), holds, queues };
  }

  observations(): readonly Observation[] {
    if (this.#last === undefined) return [];
    const { at, holds, queues } = this.#last;
    return [
      observe("sluice.audit.age", {}, (this.#clock.monotonic() - at) / 1_000),
      observe("sluice.audit.holds", {}, Number(holds)),
      ...queues.map(({ queue, missing }) => observe("sluice.audit.missing", { queue }, missing)),
    ];
  }
}
