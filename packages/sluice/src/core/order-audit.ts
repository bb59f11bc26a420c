// Whether requests with the same order key ran one after another, in the order of their turns. Looks at what a store says of each
// request, in that order, once through: of each key it keeps what ended last. Too many keys take several passes. Pure.
import type { RequestId } from "./request-id.ts";

/** What a store says of a request with an order key. Times are milliseconds since 1970. */
export interface OrderedRequest {
  readonly id: RequestId;
  readonly queue: string;
  readonly order: string;
  /** When it got its turn: never before that of one that was looked at earlier. Undefined while it has none. */
  readonly turnAt: number | undefined;
  /** Of two of one source the one that is looked at first has the earlier turn. */
  readonly source: string | undefined;
  /** Whether an attempt began. */
  readonly hasBegun: boolean;
  /** The earliest time at which an attempt is known to have been under way; undefined where none is known. */
  readonly startedAt: number | undefined;
  /** Undefined while it has no outcome. */
  readonly finishedAt: number | undefined;
  /** Grows with every claim of the store; where the last one's is known. */
  readonly claim: number | undefined;
}

/** Two requests with the same order key: the second began before the first had ended. */
export interface Inversion {
  readonly queue: string;
  readonly order: string;
  readonly first: Span;
  readonly second: Span;
}

export interface Span {
  readonly id: RequestId;
  /** Undefined where it is not known, or there was no start. */
  readonly startedAt: number | undefined;
  /** Undefined while there is no outcome. */
  readonly finishedAt: number | undefined;
}

export interface OrderCounts {
  readonly keys: number;
  readonly requests: number;
  readonly inversions: number;
}

export interface OrderAuditOptions {
  /** Requests of different sources whose turns are no further apart may run in either order, but not at the same time. */
  readonly apartMs: number;
  /** By how much the clocks of two processes may differ. */
  readonly clockMs: number;
  /** How many keys are looked at in one pass. */
  readonly keysMax?: number;
}

const keysMaxDefault = 100_000;
/** Of each queue: the first ones tell where to look. */
const listedMax = 100;

const looksPerTidy = 100_000;
const partsMax = 2 ** 30;

/** Keys whose hash leaves this rest. */
interface Part {
  readonly rest: number;
  readonly of: number;
}

export class OrderAudit {
  readonly #options: Required<OrderAuditOptions>;
  readonly #left: Part[] = [{ rest: 0, of: 1 }];
  readonly #totals = new Map<string, OrderCounts>();
  readonly #listed: Inversion[] = [];
  #part: Part = { rest: 0, of: 1 };
  #keys = new Map<string, OrderKey>();
  #looked = 0;
  #found: { readonly name: string; readonly inversion: Inversion }[] = [];

  constructor({ keysMax = keysMaxDefault, ...options }: OrderAuditOptions) {
    this.#options = { ...options, keysMax };
  }

  /** Begins a pass, in which every request is to be looked at; false when there is none left to do. */
  begin(): boolean {
    this.#finishPass();
    const part = this.#left.shift();
    if (part !== undefined) this.#part = part;
    return part !== undefined;
  }

  look(request: OrderedRequest): void {
    const { queue, order } = request;
    const name = `${queue} ${order}`;
    if (!isOf(this.#part, name)) return;
    this.#looked += 1;
    if (this.#looked % looksPerTidy === 0) this.#tidy(request.turnAt);
    const known = this.#keys.get(name) ?? this.#newKey(name, queue);
    const first = known?.add(request);
    if (first === undefined) return;
    const listed = this.#found.reduce((count, { inversion }) => (inversion.queue === queue ? count + 1 : count), 0);
    if (listed < listedMax)
      this.#found.push({ name, inversion: { queue, order, first: spanOf(first), second: spanOf(request) } });
  }

  /** By the names of the queues. */
  get counts(): ReadonlyMap<string, OrderCounts> {
    return this.#totals;
  }

  /** At most a hundred of each queue. */
  get inversions(): readonly Inversion[] {
    return this.#listed;
  }

  /** Most keys get nothing new for long: what was recent of them takes memory. */
  #tidy(turnAt: number | undefined): void {
    if (turnAt !== undefined) for (const key of this.#keys.values()) key.leaveBehind(turnAt);
  }

  /** Undefined if it turns out to be for another pass. */
  #newKey(name: string, queue: string): OrderKey | undefined {
    while (this.#keys.size >= this.#options.keysMax && this.#part.of < partsMax) this.#halve();
    if (!isOf(this.#part, name)) return undefined;
    const key = new OrderKey(queue, this.#options);
    this.#keys.set(name, key);
    return key;
  }

  /** The other half of the keys gets a pass of its own. */
  #halve(): void {
    const { rest, of } = this.#part;
    this.#part = { rest, of: 2 * of };
    this.#left.push({ rest: rest + of, of: 2 * of });
    for (const name of this.#keys.keys()) if (!isOf(this.#part, name)) this.#keys.delete(name);
    this.#found = this.#found.filter(({ name }) => isOf(this.#part, name));
  }

  #finishPass(): void {
    for (const { queue, requests, inversions } of this.#keys.values()) {
      const before = this.#totals.get(queue) ?? { keys: 0, requests: 0, inversions: 0 };
      this.#totals.set(queue, {
        keys: before.keys + 1,
        requests: before.requests + requests,
        inversions: before.inversions + inversions,
      });
    }
    for (const { inversion } of this.#found) {
      const listed = this.#listed.reduce((count, { queue }) => (queue === inversion.queue ? count + 1 : count), 0);
      if (listed < listedMax) this.#listed.push(inversion);
    }
    this.#keys = new Map();
    this.#found = [];
  }
}

function isOf({ rest, of }: Part, name: string): boolean {
  return of === 1 || hashOf(name) % of === rest;
}

/** FNV-1a. */
function hashOf(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}

function spanOf({ id, startedAt, finishedAt }: Span): Span {
  return { id, startedAt, finishedAt };
}

/** What is kept of a request that takes part. */
interface Entry extends Span {
  readonly turnAt: number;
  readonly source: string | undefined;
  readonly claim: number | undefined;
}

/** What the requests before another one have come to. */
interface Ended {
  /** The one that ended last, or has not. */
  last: Entry | undefined;
  /** The one with the last claim. */
  claimed: Entry | undefined;
}

/** Of most keys nothing is recent. */
const none: Entry[] = [];

/** The requests of one order key. */
class OrderKey {
  readonly queue: string;
  requests = 0;
  inversions = 0;
  readonly #apartMs: number;
  readonly #clockMs: number;
  readonly #ended: Ended = { last: undefined, claimed: undefined };
  /** Those that are too close to the last one to tell which is first, unless both are of one source. */
  #recent: Entry[] = none;
  /** Of these, by their start. */
  #begun: Entry[] = none;
  #bySource: Map<string, Ended> | undefined;

  constructor(queue: string, { apartMs, clockMs }: OrderAuditOptions) {
    this.queue = queue;
    this.#apartMs = apartMs;
    this.#clockMs = clockMs;
  }

  /** Gives back one that it should not have begun before the end of. */
  add(request: OrderedRequest): Span | undefined {
    this.requests += 1;
    const entry = entryOf(request);
    if (entry === undefined) return undefined;
    this.leaveBehind(entry.turnAt);
    const found = request.hasBegun ? this.#firstOf(entry) : undefined;
    if (found !== undefined) this.inversions += 1;
    this.#note(entry);
    return found;
  }

  #firstOf(request: Entry): Entry | undefined {
    const ofSource = request.source === undefined ? undefined : this.#bySource?.get(request.source);
    return this.#endedLater(this.#ended, request) ?? this.#endedLater(ofSource, request) ?? this.#beside(request);
  }

  #endedLater(ended: Ended | undefined, { startedAt, claim }: Entry): Entry | undefined {
    if (ended === undefined) return undefined;
    const { last, claimed } = ended;
    if (last !== undefined && (last.finishedAt === undefined || this.#isBefore(startedAt, last.finishedAt)))
      return last;
    return claimed !== undefined && claim !== undefined && claim < claimOf(claimed) ? claimed : undefined;
  }

  /** One that ran at the same time. They have not been found so far, so that those next to it tell. */
  #beside(request: Entry): Entry | undefined {
    if (this.#begun.length === 0 || request.startedAt === undefined) return undefined;
    const at = placeIn(this.#begun, request.startedAt);
    const [before, after] = [this.#begun[at - 1], this.#begun[at]];
    if (before !== undefined && this.#isBefore(request.startedAt, endOf(before))) return before;
    return after !== undefined && this.#isBefore(after.startedAt, endOf(request)) ? after : undefined;
  }

  #isBefore(startedAt: number | undefined, end: number): boolean {
    return startedAt !== undefined && startedAt < end - this.#clockMs;
  }

  #note(request: Entry): void {
    if (this.#apartMs === 0) return noteIn(this.#ended, request);
    if (this.#recent === none) [this.#recent, this.#begun] = [[], []];
    this.#recent.push(request);
    const { source, startedAt } = request;
    if (startedAt !== undefined) this.#begun.splice(placeIn(this.#begun, startedAt), 0, request);
    if (source === undefined) return;
    this.#bySource ??= new Map();
    const ended = this.#bySource.get(source) ?? { last: undefined, claimed: undefined };
    noteIn(ended, request);
    this.#bySource.set(source, ended);
  }

  /** Whatever comes has its turn no earlier: what had its own long before is before all of it. */
  leaveBehind(turnAt: number): void {
    let count = 0;
    for (const one of this.#recent) {
      if (one.turnAt > turnAt - this.#apartMs) break;
      count += 1;
      noteIn(this.#ended, one);
      if (one.startedAt === undefined) continue;
      let at = placeIn(this.#begun, one.startedAt) - 1;
      while (this.#begun[at] !== one) at -= 1;
      this.#begun.splice(at, 1);
    }
    if (count > 0) this.#recent.splice(0, count);
    if (this.#recent.length > 0) return;
    [this.#recent, this.#begun, this.#bySource] = [none, none, undefined];
  }
}

/** What ended and never began is in nobody's way; and what has no turn yet comes after all others. */
function entryOf(request: OrderedRequest): Entry | undefined {
  const { id, turnAt, source, startedAt, finishedAt, claim, hasBegun } = request;
  if (turnAt === undefined || (!hasBegun && finishedAt !== undefined)) return undefined;
  return { id, turnAt, source, startedAt, finishedAt, claim };
}

function noteIn(ended: Ended, entry: Entry): void {
  if (ended.last === undefined || endOf(entry) > endOf(ended.last)) ended.last = entry;
  if (entry.claim !== undefined && (ended.claimed === undefined || entry.claim > claimOf(ended.claimed)))
    ended.claimed = entry;
}

function endOf({ finishedAt }: Entry): number {
  return finishedAt ?? Number.POSITIVE_INFINITY;
}

function claimOf({ claim }: Entry): number {
  return claim ?? -1;
}

/** Behind all that started by then. */
function placeIn(begun: readonly Entry[], startedAt: number): number {
  let [low, high] = [0, begun.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((begun[middle]?.startedAt ?? 0) <= startedAt) low = middle + 1;
    else high = middle;
  }
  return low;
}
