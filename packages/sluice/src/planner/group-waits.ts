// What each group waits on a planned day: its requests one by one, begun in the order that the product's own choice gives them.
import { FairChoice, type Line } from "../core/fair-choice.ts";
import { groupSettingsOf, type GroupOverride, type LineSettings } from "../core/line-settings.ts";
import type { Arrivals } from "./arrivals.ts";
import type { Sample, Service } from "./simulate.ts";

export interface GroupShare extends Line {
  /** Of the arrivals, from 0 to 1. */
  readonly share: number;
  readonly override: GroupOverride;
}

export interface GroupsOptions {
  readonly arrivals: Arrivals;
  readonly service: Service;
  /** Of the run, whose replicas are taken as they are. */
  readonly samples: readonly Sample[];
  readonly groups: readonly GroupShare[];
  readonly settings: LineSettings;
  /** How many requests one replica runs at once. */
  readonly concurrency: number;
}

export interface Waited {
  readonly arrivals: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly longestMs: number;
}

export interface GroupWaits {
  /** As the groups were given. */
  readonly each: readonly Waited[];
  readonly all: Waited;
}

const hourMs = 3_600_000;
/** Of a longer day one in several is played, and takes so many times as long: as many are in flight as there would be. */
const playedMax = 500_000;
const never = Number.POSITIVE_INFINITY;

export function waitsOfGroups(options: GroupsOptions): GroupWaits {
  const { total } = options.arrivals;
  const stretch = Math.max(1, Math.ceil(total / playedMax));
  const day = new PlayedDay(options, Math.max(1, Math.round(total / stretch)));
  day.play();
  const each = day.lanes.map(({ waits }) => Float64Array.from(waits));
  const all = new Float64Array(day.count);
  let filled = 0;
  for (const waits of each) {
    all.set(waits, filled);
    filled += waits.length;
  }
  return { each: each.map((waits) => waitedOf(waits, day.stretch)), all: waitedOf(all, day.stretch) };
}

interface Lane extends GroupShare {
  /** When its requests came, in order; so many of them have begun. */
  readonly times: number[];
  begun: number;
  readonly waits: number[];
  /** How much of what arrived is its, and was given to others so far. */
  owed: number;
}

class PlayedDay {
  readonly count: number;
  /** Each that is played stands for so many, and takes so many times as long. */
  readonly stretch: number;
  readonly lanes: readonly Lane[];
  readonly #laneOf: ReadonlyMap<string, Lane>;
  readonly #choice: FairChoice;
  readonly #options: GroupsOptions;
  readonly #takesMs: number;
  /** Starts, by the queue's own rate. */
  readonly #apartMs: number;
  readonly #coming: Iterator<number, undefined>;
  #arrivesAt: number;
  #waiting = 0;
  /** Of those that began, when they end; all take as long, so they end in the order in which they began. */
  readonly #endsAt: Float64Array;
  readonly #begun: Lane[] = [];
  #ended = 0;
  #sample = 0;
  #freeAt = 0;

  constructor(options: GroupsOptions, count: number) {
    const { arrivals, service, groups, concurrency } = options;
    this.#options = options;
    this.count = count;
    this.stretch = arrivals.total / count;
    this.lanes = groups.map((group) => ({ ...group, times: [], begun: 0, waits: [], owed: 0 }));
    this.#laneOf = new Map(this.lanes.map((lane) => [lane.group, lane]));
    this.#choice = choiceOf(options, this.stretch);
    this.#takesMs = (concurrency * this.stretch * hourMs) / service.perReplicaPerHour;
    this.#apartMs = service.ratePerHour === undefined ? 0 : (this.stretch * hourMs) / service.ratePerHour;
    this.#coming = timesOf(arrivals, count);
    this.#arrivesAt = this.#coming.next().value ?? never;
    this.#endsAt = new Float64Array(count).fill(never);
  }

  play(): void {
    for (let now = 0; now < never; now = this.#nextAfter(now)) {
      for (; this.#arrivesAt <= now; this.#arrivesAt = this.#coming.next().value ?? never) this.#arrive();
      for (; (this.#endsAt[this.#ended] ?? never) <= now; this.#ended += 1)
        this.#choice.addInFlight((this.#begun[this.#ended] as Lane).group, -1);
      this.#begin(now);
    }
  }

  #arrive(): void {
    const lane = nextOwed(this.lanes);
    lane.times.push(this.#arrivesAt);
    this.#waiting += 1;
    if (lane.begun === lane.times.length - 1) this.#choice.setHead("fresh", lane, this.#arrivesAt);
  }

  #begin(now: number): void {
    const { samples, concurrency } = this.#options;
    while (this.#sample < samples.length - 1 && this.#sampleAt <= now) this.#sample += 1;
    const slots = (samples[this.#sample] as Sample).replicas * concurrency;
    while (this.#waiting > 0 && this.#begun.length - this.#ended < slots && this.#freeAt <= now) {
      const pick = this.#choice.pick("fresh", now);
      if (pick?.kind !== "line") return;
      const lane = this.#laneOf.get(pick.line.group) as Lane;
      lane.waits.push(now - (lane.times[lane.begun] as number));
      lane.begun += 1;
      this.#waiting -= 1;
      this.#choice.addInFlight(lane.group, 1);
      this.#choice.setHead("fresh", lane, lane.times[lane.begun] ?? never);
      this.#endsAt[this.#begun.length] = now + this.#takesMs;
      this.#begun.push(lane);
      this.#freeAt = now + this.#apartMs;
    }
  }

  get #sampleAt(): number {
    return (this.#options.samples[this.#sample] as Sample).atMs;
  }

  #nextAfter(now: number): number {
    if (this.#waiting === 0) return this.#arrivesAt;
    const later = (at: number): number => (at > now ? at : never);
    const ends = this.#endsAt[this.#ended] ?? never;
    const mayBegin = Math.min(later(this.#freeAt), later(this.#choice.nextAt), later(this.#sampleAt));
    return Math.min(this.#arrivesAt, ends, mayBegin);
  }
}

function choiceOf({ groups, settings }: GroupsOptions, stretch: number): FairChoice {
  const overrides = new Map(groups.map(({ group, override }) => [group, override]));
  return new FairChoice({
    riseMs: settings.riseMs,
    settingsOf(group) {
      const { ratePerHour, ...limits } = groupSettingsOf(settings, group, overrides.get(group));
      return { ...limits, ratePerHour: ratePerHour === undefined ? undefined : ratePerHour / stretch };
    },
  });
}

/** Whose turn it is to arrive: evenly, by the shares. */
function nextOwed(lanes: readonly Lane[]): Lane {
  let most = lanes[0] as Lane;
  for (const lane of lanes) {
    lane.owed += lane.share;
    if (lane.owed > most.owed) most = lane;
  }
  most.owed -= 1;
  return most;
}

/** So many moments over the day, each for as many requests as the others. */
function* timesOf({ spans, total }: Arrivals, count: number): Generator<number, undefined> {
  let [span, before] = [0, 0];
  for (let number = 0; number < count; number += 1) {
    const arrived = ((number + 0.5) * total) / count;
    while (span < spans.length - 1 && before + (spans[span]?.count ?? 0) < arrived) {
      before += spans[span]?.count ?? 0;
      span += 1;
    }
    const { fromMs, untilMs, count: within } = spans[span] as Arrivals["spans"][number];
    yield fromMs + (untilMs - fromMs) * Math.min(1, (arrived - before) / within);
  }
  return undefined;
}

function waitedOf(waits: Float64Array, stretch: number): Waited {
  waits.sort();
  const at = (share: number): number => Math.round(waits[Math.max(0, Math.ceil(waits.length * share) - 1)] ?? 0);
  return { arrivals: Math.round(waits.length * stretch), p50Ms: at(0.5), p99Ms: at(0.99), longestMs: at(1) };
}
