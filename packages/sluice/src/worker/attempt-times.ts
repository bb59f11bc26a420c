// How long attempts take, by how they end. The codes are Sluice's own: none comes from a handler or target.
import type { Histogram, Meter } from "../telemetry/meter.ts";
import type { End } from "./attempt.ts";

export class AttemptTimes {
  readonly #meter: Meter;
  readonly #queue: string;
  readonly #histograms = new Map<string, Histogram>();

  constructor(meter: Meter, queue: string) {
    this.#meter = meter;
    this.#queue = queue;
  }

  note(end: End, durationMs: number): void {
    this.#histogramOf(errorTypeOf(end)).record(durationMs / 1_000);
  }

  #histogramOf(errorType: string): Histogram {
    const known = this.#histograms.get(errorType);
    if (known !== undefined) return known;
    const histogram = this.#meter.histogram("messaging.process.duration", {
      "messaging.system": "sluice",
      "messaging.destination.name": this.#queue,
      "messaging.operation.name": "process",
      "error.type": errorType,
    });
    this.#histograms.set(errorType, histogram);
    return histogram;
  }
}

/** Empty for an attempt that ended well. */
function errorTypeOf(end: End): string {
  switch (end.kind) {
    case "done":
    case "committed":
      return "";
    case "failed":
      return end.failure.code;
    case "cut-off":
    case "unknown":
      return end.kind;
    default:
      return end satisfies never;
  }
}
