// A day step by step, as a fluid: what arrives and what is finished flow evenly within a step, first in first out.
// Single arrivals are not thrown by dice: the waits are those of a backlog, and leave out what random arrivals cost each
// other below full load, which is in random-wait.ts.
import { arrivalsWindowMs, decideScaling, type ScalingGoal, type ScalingMemory } from "../core/scaling.ts";
import { refused, type Arrivals } from "./arrivals.ts";

export interface Service {
  readonly perReplicaPerHour: number;
  /** The queue's own rate, whatever the replicas could. */
  readonly ratePerHour: number | undefined;
}

export type Replicas =
  | { readonly kind: "fixed"; readonly replicas: number }
  /** The policy decides at each step. */
  | { readonly kind: "policy"; readonly goal: ScalingGoal };

/** Where things stand at a moment; between two samples all runs straight. */
export interface Sample {
  readonly atMs: number;
  readonly arrived: number;
  readonly served: number;
  /** Since the sample before. */
  readonly replicas: number;
  readonly capacityPerHour: number;
}

const hourMs = 3_600_000;
/** As often as the policy decides. */
const stepMs = 15_000;
/** Fixed replicas decide nothing: a long time is cut into no more than this, and stays exact. */
const fixedStepsMax = 20_000;
/** Ten years of steps would be no plan any more. */
const samplesMax = 4_000_000;
/** Less than this of a request is rounding, not backlog. */
const dust = 1e-6;

/** From the first arrival until all is finished; the first sample is the empty start. */
export function simulate(arrivals: Arrivals, service: Service, replicas: Replicas): readonly Sample[] {
  const samples: Sample[] = [{ atMs: 0, arrived: 0, served: 0, replicas: 0, capacityPerHour: 0 }];
  const scaler = new Scaler(replicas, service);
  const cutMs = Math.max(stepMs, (arrivals.spans.at(-1)?.untilMs ?? 0) / fixedStepsMax);
  let arrived = 0;
  for (const { fromMs, untilMs, count } of arrivals.spans) {
    for (let atMs = fromMs; atMs < untilMs;) {
      const running = scaler.decide(samples);
      const nextMs = Math.min(untilMs, scaler.isFixed ? atMs + cutMs : scaler.decidesAtMs);
      const arrivedNext = arrived + (count * (nextMs - fromMs)) / (untilMs - fromMs);
      advance(samples, running, { untilMs: nextMs, arrived: arrivedNext, service });
      atMs = nextMs;
    }
    arrived += count;
  }
  drain(samples, { arrived, scaler, service });
  return samples;
}

function drain(samples: Sample[], { arrived, scaler, service }: { arrived: number; scaler: Scaler; service: Service }) {
  for (;;) {
    const { atMs, served } = samples.at(-1) as Sample;
    const left = arrived - served;
    if (left <= dust) return;
    const replicas = scaler.decide(samples);
    const leftMs = (left / capacityOf(replicas, service)) * hourMs;
    const untilMs = scaler.isFixed ? atMs + leftMs : Math.min(atMs + leftMs, scaler.decidesAtMs);
    advance(samples, replicas, { untilMs, arrived, service });
  }
}

interface Step {
  readonly untilMs: number;
  readonly arrived: number;
  readonly service: Service;
}

function advance(samples: Sample[], replicas: number, { untilMs, arrived, service }: Step): void {
  if (samples.length > samplesMax) throw refused(`the plan must end within ${samplesMax} steps of ${stepMs / 1_000} s`);
  const before = samples.at(-1) as Sample;
  const capacityPerHour = capacityOf(replicas, service);
  const lengthMs = untilMs - before.atMs;
  const emptyMs = emptiesAfterMs(before, { lengthMs, arrived, capacityPerHour });
  if (emptyMs < lengthMs) {
    const met = before.arrived + ((arrived - before.arrived) * emptyMs) / lengthMs;
    samples.push({ atMs: before.atMs + emptyMs, arrived: met, served: met, replicas, capacityPerHour });
    samples.push({ atMs: untilMs, arrived, served: arrived, replicas, capacityPerHour });
    return;
  }
  const served = Math.min(arrived, before.served + (capacityPerHour * lengthMs) / hourMs);
  samples.push({
    atMs: untilMs,
    arrived,
    served: arrived - served <= dust ? arrived : served,
    replicas,
    capacityPerHour,
  });
}

interface Flow {
  readonly lengthMs: number;
  readonly arrived: number;
  readonly capacityPerHour: number;
}

/** When a backlog is gone: from there on arrivals are finished as they come, which bends the line of what is served. */
function emptiesAfterMs(before: Sample, { lengthMs, arrived, capacityPerHour }: Flow): number {
  const backlog = before.arrived - before.served;
  const netPerHour = capacityPerHour - ((arrived - before.arrived) * hourMs) / lengthMs;
  return backlog > dust && netPerHour > 0 ? (backlog / netPerHour) * hourMs : Number.POSITIVE_INFINITY;
}

function capacityOf(replicas: number, { perReplicaPerHour, ratePerHour }: Service): number {
  return Math.min(replicas * perReplicaPerHour, ratePerHour ?? Number.POSITIVE_INFINITY);
}

class Scaler {
  readonly isFixed: boolean;
  readonly #replicas: Replicas;
  readonly #service: Service;
  #memory: ScalingMemory = [];
  /** The sample by which all that is served by now had arrived. */
  #oldest = 0;
  /** The first sample of the time over which the arrivals are averaged. */
  #windowed = 0;
  #decided = 0;
  /** When it decides again: spans may be shorter. */
  decidesAtMs = 0;

  constructor(replicas: Replicas, service: Service) {
    this.isFixed = replicas.kind === "fixed";
    this.#replicas = replicas;
    this.#service = service;
  }

  decide(samples: readonly Sample[]): number {
    if (this.#replicas.kind === "fixed") return this.#replicas.replicas;
    const now = samples.at(-1) as Sample;
    if (now.atMs < this.decidesAtMs) return this.#decided;
    const { goal } = this.#replicas;
    const backlog = now.arrived - now.served;
    while ((samples[this.#oldest] as Sample).arrived < now.served) this.#oldest += 1;
    const from = now.atMs - arrivalsWindowMs(goal);
    while ((samples[this.#windowed] as Sample).atMs < from) this.#windowed += 1;
    const before = samples[this.#windowed] as Sample; // at the start of the day: as far as there was one
    const signals = {
      atMs: now.atMs,
      backlog,
      oldestWaitingMs: backlog > 0 ? now.atMs - (samples[this.#oldest] as Sample).atMs : 0,
      arrivalsPerHour: now === before ? 0 : ((now.arrived - before.arrived) * hourMs) / (now.atMs - before.atMs),
      perReplicaPerHour: this.#service.perReplicaPerHour,
      replicas: samples.length > 1 ? now.replicas : goal.min,
    };
    const { replicas, memory } = decideScaling(goal, signals, this.#memory);
    this.#memory = memory;
    this.#decided = replicas;
    this.decidesAtMs = now.atMs + stepMs;
    return replicas;
  }
}
