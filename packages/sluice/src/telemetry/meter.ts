// Counts what happens in this process. It owns the counts; what is read from elsewhere is asked for when somebody looks.
// An event costs an addition: who counts keeps the counter of its labels, and nothing is allocated.
import {
  definitionOf,
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelsOf,
  type MetricName,
} from "./metrics.ts";

export interface Counter {
  readonly labels: Labels;
  value: number;
}

export type Labels = Readonly<Record<string, string>>;

/** A histogram of one set of labels. */
export class Histogram {
  readonly labels: Labels;
  readonly bounds: readonly number[];
  /** One more than there are bounds: the last is for what is over them all. */
  readonly counts: Float64Array;
  sum = 0;
  count = 0;

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels;
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  record(value: number): void {
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] as number)) at += 1;
    this.counts[at] = (this.counts[at] as number) + 1;
    this.sum += value;
    this.count += 1;
  }
}

export interface Observation {
  readonly name: GaugeName;
  readonly labels: Labels;
  readonly value: number;
}

/** A gauge as it is now. */
export function observe<Name extends GaugeName>(name: Name, labels: LabelsOf<Name>, value: number): Observation {
  return { name, labels, value };
}

export type Observer = () => readonly Observation[] | Promise<readonly Observation[]>;

export type Family =
  | {
      readonly kind: "counts";
      readonly name: MetricName;
      readonly points: readonly Pick<Counter, "labels" | "value">[];
    }
  | { readonly kind: "histogram"; readonly name: HistogramName; readonly points: readonly Histogram[] };

/** Sets of labels of one metric at most (I7): beyond it, all share one that says so. */
const seriesMax = 2_000;

export class Meter {
  /** When counting began, in milliseconds since 1970. */
  readonly startedAt = Date.now();
  readonly #counters = new Map<CounterName, Map<string, Counter>>();
  readonly #histograms = new Map<HistogramName, Map<string, Histogram>>();
  readonly #observers = new Set<Observer>();

  /** The one of these labels. Keep it: each call looks it up. */
  counter<Name extends CounterName>(name: Name, labels: LabelsOf<Name>): Counter {
    return seriesOf(this.#counters, { name, labels }, (own) => ({ labels: own, value: 0 }));
  }

  histogram<Name extends HistogramName>(name: Name, labels: LabelsOf<Name>): Histogram {
    const { bounds = [] } = definitionOf(name);
    return seriesOf(this.#histograms, { name, labels }, (own) => new Histogram(own, bounds));
  }

  /** Asks it at each look, until disposed. */
  addObserver(observer: Observer): Disposable {
    this.#observers.add(observer);
    return { [Symbol.dispose]: () => void this.#observers.delete(observer) };
  }

  /** All that is known now. An observer that fails is left out; its error is told. */
  async collect(onError: (error: unknown) => void): Promise<readonly Family[]> {
    const observed = await Promise.allSettled([...this.#observers].map(async (observer) => observer()));
    const gauges = new Map<GaugeName, Observation[]>();
    for (const result of observed) {
      if (result.status === "rejected") onError(result.reason);
      else for (const one of result.value) (gauges.get(one.name) ?? newList(gauges, one.name)).push(one);
    }
    return [
      ...Array.from(this.#counters, ([name, of]): Family => ({ kind: "counts", name, points: [...of.values()] })),
      ...Array.from(gauges, ([name, points]): Family => ({ kind: "counts", name, points })),
      ...Array.from(this.#histograms, ([name, of]): Family => ({ kind: "histogram", name, points: [...of.values()] })),
    ];
  }
}

interface Named<Name> {
  readonly name: Name;
  readonly labels: Labels;
}

function seriesOf<Name, Series>(
  families: Map<Name, Map<string, Series>>,
  { name, labels }: Named<Name>,
  make: (labels: Labels) => Series,
): Series {
  let family = families.get(name);
  if (family === undefined) families.set(name, (family = new Map<string, Series>()));
  const isFull = family.size >= seriesMax;
  const key = Object.values(labels).join("\n");
  const known = family.get(key);
  if (known !== undefined) return known;
  const own = isFull ? Object.fromEntries(Object.keys(labels).map((label) => [label, "other"])) : labels;
  const ownKey = Object.values(own).join("\n");
  const series = family.get(ownKey) ?? make(own);
  family.set(ownKey, series);
  return series;
}

function newList(gauges: Map<GaugeName, Observation[]>, name: GaugeName): Observation[] {
  const list: Observation[] = [];
  gauges.set(name, list);
  return list;
}
