// Which of a queue's requests begins next: the most urgent first, where waiting makes more urgent; among the groups of one urgency
// by fair shares of the starts; within a group the one that waits longest. Pure: the clock is passed in.

export const urgencyDefault = 3;
export const urgencyMax = 7;

export interface GroupSettings {
  /** Its share of the starts beside that of others; 1 unless set. */
  readonly weight: number;
  /** How many of its requests may be delivered at once. */
  readonly concurrency: number | undefined;
  readonly ratePerHour: number | undefined;
  /** How many of its requests may wait. */
  readonly backlogMax: number | undefined;
  readonly isPaused: boolean;
}

export interface ChoiceSettings {
  /** A request that waits is one step more urgent after each of these. */
  readonly riseMs: number;
  readonly settingsOf: (group: string) => GroupSettings;
}

/** A line: the requests of one group and urgency, the one that waits longest first. */
export interface Line {
  readonly group: string;
  readonly urgency: number;
}

/** Those that come back after a failed attempt have lines of their own. */
export type Kind = "fresh" | "again";
const kinds: readonly Kind[] = ["fresh", "again"];

export type Pick = { readonly kind: "line"; readonly line: Line } | { readonly kind: "log" };

/** Each group beyond so many in a queue shares the place of requests without a group. */
export const groupsMax = 10_000;
/** A group with more than this share of what is in flight, and more than so many, gives way to others. */
const noisyPart = 10;
const noisyMin = 30;
const hourMs = 3_600_000;
const pruneEvery = 1_000;
/** How closely it is known when which pass was, and for how long: until the least urgent is as urgent as can be. */
const passesPerRise = 8;
const passesMax = 10 * passesPerRise;
/** The place of the log among a group's heads, whose requests have neither group nor urgency. */
const logPlace = urgencyMax + 1;

/** The longest waiting of each line of a group, and which of them goes first. */
class Heads {
  /** By urgency; when each began to wait, infinite where nothing waits. */
  readonly #at: number[] = Array.from({ length: logPlace + 1 }, () => Number.POSITIVE_INFINITY);
  readonly group: Group;
  #count = 0;
  /** Of the most urgent line: how urgent it was when that was looked at last, beside other groups. */
  level = 0;
  /** The line that goes first, and when its first began to wait. */
  first = 0;
  at = Number.POSITIVE_INFINITY;
  /** In the ranking; -1 while it is in none. */
  rank = -1;
  isNoisy = false;

  constructor(group: Group) {
    this.group = group;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  set(place: number, at: number): void {
    const before = this.#at[place] as number;
    this.#count += Number(at !== Number.POSITIVE_INFINITY) - Number(before !== Number.POSITIVE_INFINITY);
    this.#at[place] = at;
  }

  atOf(place: number): number {
    return this.#at[place] as number;
  }

  /**
   * Within the group waiting makes more urgent. Beside other groups only waiting since `fairAt` does: what waits because its group sends
   * more than its share is overtaken by nobody.
   */
  look(now: number, { riseMs, fairAt }: { readonly riseMs: number; readonly fairAt: number }): void {
    this.level = Number.POSITIVE_INFINITY;
    this.at = Number.POSITIVE_INFINITY;
    let ownLevel = Number.POSITIVE_INFINITY;
    for (let place = 0; place <= logPlace; place += 1) {
      const at = this.#at[place] as number;
      if (at === Number.POSITIVE_INFINITY) continue;
      const urgency = place === logPlace ? urgencyDefault : place;
      this.level = Math.min(this.level, levelOf(urgency, now - Math.max(at, fairAt), riseMs));
      const level = levelOf(urgency, now - at, riseMs);
      if (level > ownLevel || (level === ownLevel && at >= this.at)) continue;
      ownLevel = level;
      [this.first, this.at] = [place, at];
    }
  }

  goesBefore(other: Heads): boolean {
    if (this.level !== other.level) return this.level < other.level;
    if (this.isNoisy !== other.isNoisy) return other.isNoisy;
    const [pass, otherPass] = [this.group.pass, other.group.pass];
    return pass === otherPass ? this.at < other.at : pass < otherPass;
  }
}

function levelOf(urgency: number, waitedMs: number, riseMs: number): number {
  return Math.max(0, urgency - Math.max(0, Math.floor(waitedMs / riseMs)));
}

/** Of the groups that can begin something, which goes first: a binary heap whose members know their places. */
class Ranking {
  readonly #all: Heads[] = [];

  get first(): Heads | undefined {
    return this.#all[0];
  }

  /** It has changed, or is new. */
  place(heads: Heads): void {
    if (heads.rank === -1) heads.rank = this.#all.push(heads) - 1;
    this.#sink(this.#rise(heads.rank));
  }

  remove(heads: Heads): void {
    const { rank } = heads;
    if (rank === -1) return;
    heads.rank = -1;
    const last = this.#all.pop() as Heads;
    if (last === heads) return;
    this.#put(last, rank);
    this.#sink(this.#rise(rank));
  }

  #put(heads: Heads, rank: number): void {
    this.#all[rank] = heads;
    heads.rank = rank;
  }

  #rise(from: number): number {
    let rank = from;
    const heads = this.#all[rank] as Heads;
    while (rank > 0) {
      const above = (rank - 1) >> 1;
      const other = this.#all[above] as Heads;
      if (!heads.goesBefore(other)) break;
      this.#put(other, rank);
      rank = above;
    }
    this.#put(heads, rank);
    return rank;
  }

  #sink(from: number): void {
    let rank = from;
    const heads = this.#all[rank] as Heads;
    for (;;) {
      let below = 2 * rank + 1;
      let other = this.#all[below];
      if (other === undefined) break;
      const right = this.#all[below + 1];
      if (right !== undefined && right.goesBefore(other)) [below, other] = [below + 1, right];
      if (!other.goesBefore(heads)) break;
      this.#put(other, rank);
      rank = below;
    }
    this.#put(heads, rank);
  }
}

class Group {
  readonly name: string;
  readonly fresh = new Heads(this);
  readonly again = new Heads(this);
  settings: GroupSettings;
  /** Requests of it that have no outcome. */
  backlog = 0;
  inFlight = 0;
  /** Its starts so far, each as long as its weight is small; what it has not used is gone. */
  pass: number;
  /** The same, but for what it has not used since it began to wait: how far it is behind its share. */
  served: number;
  /** When its rate would be kept had its starts been even. */
  evenAt = 0;

  constructor(name: string, settings: GroupSettings, pass: number) {
    this.name = name;
    this.settings = settings;
    this.pass = pass;
    this.served = pass;
  }
}

export interface GroupCounts {
  readonly group: string;
  readonly backlog: number;
  readonly inFlight: number;
}

export class FairChoice {
  readonly #settings: ChoiceSettings;
  readonly #groups = new Map<string, Group>();
  readonly #rankings: Readonly<Record<Kind, Ranking>> = { fresh: new Ranking(), again: new Ranking() };
  /** Groups whose rate lets nothing begin now. */
  readonly #resting = new Set<Group>();
  #now = 0;
  /** When all that waits was looked at last, for what has become more urgent. */
  #lookedAt = 0;
  #inFlight = 0;
  /** What the pass was when, the latest last. */
  readonly #passes: { readonly at: number; readonly pass: number }[] = [];
  /** The pass of the group that went last: who comes later begins here, and has saved up nothing. */
  #pass = 0;
  #picks = 0;

  constructor(settings: ChoiceSettings) {
    this.#settings = settings;
  }

  /** When the rate of a group lets one begin that it does not now; infinite if there is none. */
  get nextAt(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const group of this.#resting) at = Math.min(at, restsUntil(group));
    return at;
  }

  /** The group whose lines this one's requests stand in. */
  groupFor(name: string): string {
    return this.#groups.has(name) || this.#groups.size < groupsMax ? name : "";
  }

  /** When the first of a line began to wait; infinite if nothing is in it. */
  headOf(kind: Kind, { group, urgency }: Line): number {
    return this.#groups.get(group)?.[kind].atOf(urgency) ?? Number.POSITIVE_INFINITY;
  }

  setHead(kind: Kind, { group, urgency }: Line, at: number): void {
    const found = this.#group(group);
    if (found.fresh.isEmpty && found.again.isEmpty) found.served = Math.max(found.served, this.#pass);
    found[kind].set(urgency, at);
    this.#rank(found, kind);
  }

  setLog(at: number): void {
    const before = this.headOf("fresh", { group: "", urgency: logPlace });
    if (before !== at) this.setHead("fresh", { group: "", urgency: logPlace }, at);
  }

  /** Nothing is known of what waits, until it is said again. */
  clearHeads(): void {
    for (const group of this.#groups.values())
      for (const kind of kinds) {
        for (let place = 0; place <= logPlace; place += 1) group[kind].set(place, Number.POSITIVE_INFINITY);
        this.#rank(group, kind);
      }
  }

  addBacklog(group: string, count: number): void {
    this.#group(group).backlog += count;
  }

  hasRoom(group: string, count: number): boolean {
    const { backlogMax } = this.#settings.settingsOf(group);
    return backlogMax === undefined || (this.#groups.get(group)?.backlog ?? 0) + count <= backlogMax;
  }

  addInFlight(name: string, count: number): void {
    const group = this.#group(name);
    group.inFlight += count;
    this.#inFlight += count;
    this.#rankAll(group);
  }

  /** The settings of a group have changed. */
  reset(name: string): void {
    const group = this.#groups.get(name);
    if (group === undefined) return;
    const { weight } = group.settings;
    group.settings = this.#settings.settingsOf(name);
    if (group.settings.weight !== weight) {
      // It owes for its last start by its new weight: by an old one of 0.001 it would wait for a thousand of each other group.
      group.pass = Math.min(group.pass, this.#pass + 1 / group.settings.weight);
      group.served = Math.min(group.served, group.pass);
    }
    this.#rankAll(group);
  }

  resetAll(): void {
    for (const name of this.#groups.keys()) this.reset(name);
  }

  /** Whether something could begin. */
  has(kind: Kind, now: number): boolean {
    this.#look(now);
    return this.#rankings[kind].first !== undefined;
  }

  /** The line whose first request begins next; it counts as a start of its group. */
  pick(kind: Kind, now: number): Pick | undefined {
    this.#look(now);
    const best = this.#rankings[kind].first;
    if (best === undefined) return undefined;
    const { group, first } = best;
    this.#begin(group, now);
    return first === logPlace ? { kind: "log" } : { kind: "line", line: { group: group.name, urgency: first } };
  }

  countsOf(name: string): GroupCounts {
    const { backlog = 0, inFlight = 0 } = this.#groups.get(name) ?? {};
    return { group: name, backlog, inFlight };
  }

  /** Those with the largest backlog first. */
  largest(max: number): readonly GroupCounts[] {
    const all = [...this.#groups.values()].filter(({ backlog, inFlight }) => backlog > 0 || inFlight > 0);
    all.sort((left, right) => right.backlog - left.backlog || (left.name < right.name ? -1 : 1));
    return all.slice(0, max).map(({ name, backlog, inFlight }) => ({ group: name, backlog, inFlight }));
  }

  #group(name: string): Group {
    const found = this.#groups.get(name);
    if (found !== undefined) return found;
    const made = new Group(name, this.#settings.settingsOf(name), this.#pass);
    this.#groups.set(name, made);
    return made;
  }

  /** What is as it was but for the time: now and then of all groups, and of those that rest at each pick. */
  #look(now: number): void {
    this.#now = now;
    const sinceMs = now - this.#lookedAt;
    if (sinceMs < 0 || sinceMs >= Math.min(1_000, this.#settings.riseMs / 60)) {
      this.#lookedAt = now;
      for (const group of this.#groups.values()) this.#rankAll(group);
    } else for (const group of this.#resting) if (!this.#rests(group)) this.#rankAll(group);
  }

  #notePass(now: number): void {
    const last = this.#passes.at(-1);
    if (last !== undefined && now >= last.at && now - last.at < this.#settings.riseMs / passesPerRise) return;
    if (last !== undefined && now < last.at) this.#passes.length = 0; // the clock has stepped back
    this.#passes.push({ at: now, pass: this.#pass });
    if (this.#passes.length > passesMax) this.#passes.shift();
  }

  /** When a group that had just its share was so far; now if none was. */
  #timeOf(served: number): number {
    let at = this.#now;
    for (let index = this.#passes.length - 1; index >= 0; index -= 1) {
      const before = this.#passes[index] as { readonly at: number; readonly pass: number };
      if (before.pass < served) break;
      at = before.at;
    }
    return at;
  }

  #rankAll(group: Group): void {
    for (const kind of kinds) this.#rank(group, kind);
  }

  /** Its place among the groups that can begin something of that kind, if it can. */
  #rank(group: Group, kind: Kind): void {
    const heads = group[kind];
    const { isPaused, concurrency, ratePerHour } = group.settings;
    const canBegin = !heads.isEmpty && !isPaused && (concurrency === undefined || group.inFlight < concurrency);
    const rests = canBegin && ratePerHour !== undefined && this.#rests(group);
    if (rests) this.#resting.add(group);
    else if (ratePerHour === undefined || !this.#rests(group)) this.#resting.delete(group);
    if (!canBegin || rests) {
      this.#rankings[kind].remove(heads);
      return;
    }
    heads.isNoisy = group.inFlight > noisyMin && group.inFlight * noisyPart > this.#inFlight;
    heads.look(this.#now, { riseMs: this.#settings.riseMs, fairAt: this.#timeOf(group.served) });
    this.#rankings[kind].place(heads);
  }

  #rests(group: Group): boolean {
    const { ratePerHour } = group.settings;
    if (ratePerHour === undefined) return false;
    const [everyMs, burstMs] = spacingOf(ratePerHour);
    const until = restsUntil(group);
    return until > this.#now && until <= this.#now + burstMs + everyMs; // if later, the clock has stepped back
  }

  #begin(group: Group, now: number): void {
    const { weight, ratePerHour } = group.settings;
    group.pass = Math.max(group.pass, this.#pass);
    this.#pass = group.pass;
    this.#notePass(now);
    group.pass += 1 / weight;
    group.served += 1 / weight;
    if (ratePerHour !== undefined) {
      const [everyMs, burstMs] = spacingOf(ratePerHour);
      const isOfLaterClock = group.evenAt > now + burstMs + everyMs;
      group.evenAt = Math.max(now, isOfLaterClock ? now : group.evenAt) + everyMs;
    }
    this.#rankAll(group);
    this.#picks += 1;
    if (this.#picks % pruneEvery === 0) this.#prune();
  }

  /** Of a group that has nothing, and is not ahead of the others, there is nothing to know. */
  #prune(): void {
    for (const [name, group] of this.#groups) {
      const { backlog, inFlight, pass, fresh, again } = group;
      if (backlog > 0 || inFlight > 0 || pass > this.#pass || !fresh.isEmpty || !again.isEmpty) continue;
      this.#groups.delete(name);
      this.#resting.delete(group);
    }
  }
}

function restsUntil({ evenAt, settings: { ratePerHour = Number.POSITIVE_INFINITY } }: Group): number {
  return evenAt - spacingOf(ratePerHour)[1];
}

/** How far apart starts are, and how much earlier than that one may be: a second's worth at once. */
function spacingOf(ratePerHour: number): readonly [everyMs: number, burstMs: number] {
  const everyMs = hourMs / ratePerHour;
  return [everyMs, Math.max(0, 1_000 - everyMs)];
}
