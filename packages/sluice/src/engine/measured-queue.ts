// The counters of one queue, found once and kept: counting an event is an addition.
import { SluiceError } from "../core/errors.ts";
import type { Counter, Histogram, Meter } from "../telemetry/meter.ts";

type Operation = "accept" | "settle" | "retry" | "transact";

export class MeasuredQueue {
  readonly sent: Counter;
  readonly consumed: Counter;
  readonly repeats: Counter;
  readonly keysReused: Counter;
  readonly lateOutcomes: Counter;
  readonly #meter: Meter;
  readonly #queue: string;
  readonly #durations: Readonly<Record<Operation, Histogram>>;

  constructor(meter: Meter, queue: string) {
    this.#meter = meter;
    this.#queue = queue;
    this.sent = meter.counter("messaging.client.sent.messages", labelsOf(queue, "accept"));
    this.consumed = meter.counter("messaging.client.consumed.messages", labelsOf(queue, "deliver"));
    this.repeats = meter.counter("sluice.duplicates.refused", { queue, kind: "repeat" });
    this.keysReused = meter.counter("sluice.duplicates.refused", { queue, kind: "key-reused" });
    this.lateOutcomes = meter.counter("sluice.duplicates.refused", { queue, kind: "outcome" });
    this.#durations = {
      accept: this.#duration("accept", ""),
      settle: this.#duration("settle", ""),
      retry: this.#duration("retry", ""),
      transact: this.#duration("transact", ""),
    };
  }

  took(operation: Operation, durationMs: number): void {
    this.#durations[operation].record(durationMs / 1_000);
  }

  failed(operation: Operation, error: unknown, durationMs: number): void {
    this.#duration(operation, error instanceof SluiceError ? error.code : "internal").record(durationMs / 1_000);
  }

  #duration(operation: Operation, errorType: string): Histogram {
    return this.#meter.histogram("messaging.client.operation.duration", {
      ...labelsOf(this.#queue, operation),
      "error.type": errorType,
    });
  }
}

function labelsOf(queue: string, operation: string) {
  return { "messaging.system": "sluice", "messaging.destination.name": queue, "messaging.operation.name": operation };
}
