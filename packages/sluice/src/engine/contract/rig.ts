// What the cases of the suite work with: one store, the engine that is open on it, and a clock that can be moved.
import { deepEqual, equal, fail } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../core/clock.ts";
import type { Content, Delivery, Failure, NewRequest, Outcome, Receipt, State } from "../../core/request.ts";
import { states } from "../../core/request.ts";
import type { Placement } from "../../core/placement.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { RetryBounds } from "../../core/retry-share.ts";
import type { Engine, QueueBounds } from "../engine.ts";

export interface OpenOptions {
  readonly queues: readonly QueueBounds[];
  readonly clock: Clock;
  readonly crashesMax: number;
}

/** Where an engine keeps its requests: what outlives it. */
export interface Store extends AsyncDisposable {
  open(options: OpenOptions): Promise<Engine>;
  /** Takes the engine away as SIGKILL takes its process: the store is left as it is at this moment. */
  crash(engine: Engine): Promise<void>;
  /** Takes the row of a request out of the store behind the engine's back. */
  vanish(engine: Engine, id: RequestId): Promise<void>;
  /** Takes all that came with the commit of a waiting request out of the store, as if it had never been made. */
  undo(engine: Engine, id: RequestId): Promise<void>;
  /** Changes a bit of a body. */
  spoil(engine: Engine, id: RequestId): Promise<void>;
  /** Changes when the last attempt of a request that has its outcome began or ended; undefined takes the outcome away. */
  misdate(engine: Engine, id: RequestId, times: Times | undefined): Promise<void>;
  /**
   * Resolves once all that waits in the queue can be delivered, or as much as is handed out ahead of workers: whether that may be
   * less than all. Absent where all can be always.
   */
  quiet?(engine: Engine, queue: string): Promise<boolean>;
  /** Of what stands in lines so many at least may be handed out before a worker asks; none unless set. */
  readonly handsAhead?: number;
  /** How many rows with this id are in the table `effects`, which lies beside the requests; absent without `transact`. */
  effectsOf?(id: RequestId): Promise<number>;
  /** Absent where one process has the store to itself. */
  readonly shared?: SharedStore;
}

export interface Times {
  readonly startedAt?: number;
  readonly finishedAt?: number;
}

/** What several processes can be on. */
export interface SharedStore {
  /** Opens it beside the engines that are open. Nothing is claimed ahead before the first deliver. */
  join(options: OpenOptions): Promise<Engine>;
  /** Takes all hints of what waits from the carriers while no engine is open. */
  loseHints(): Promise<void>;
  /** Ends the sessions of all that have it open, on its server. */
  endSessions(): Promise<void>;
  candidate(): Promise<Candidate>;
}

/** A process that may lead, and does nothing else. */
export interface Candidate extends AsyncDisposable {
  /** Of its last beat; undefined while it does not lead. */
  readonly term: number | undefined;
  /**
   * An act as the leader of a term that it had: asks for so many replicas of `orders`. `meanwhile` runs in the middle of it.
   * Rejects as `lost-claim` when another one leads by now.
   */
  act(term: number, replicas: number, meanwhile?: () => Promise<void>): Promise<void>;
  /** The server holds its session, and answers nothing on it until this is disposed. */
  hang(): Promise<Disposable>;
}

export type NewStore = () => Promise<Store>;

export interface RigOptions {
  /** The case breaks the law on purpose. */
  readonly isLawBroken?: true;
  readonly queues?: readonly QueueBounds[];
  readonly crashesMax?: number;
}

export const orders = "orders";
export const boom: Failure = { code: "handler-threw", message: "boom" };
export const dead: Outcome = { kind: "dead", failure: boom };
export const hourMs = 3_600_000;

export class Rig implements AsyncDisposable {
  readonly #store: Store;
  readonly #options: OpenOptions;
  readonly #clock: MovableClock;
  #engine: Engine;
  #joined: Engine | undefined;

  static async open(newStore: NewStore, { queues = [queue(orders)], crashesMax = 5 }: RigOptions = {}): Promise<Rig> {
    const store = await newStore();
    const clock = new MovableClock();
    const options = { queues, clock, crashesMax };
    return new Rig(store, await store.open(options), clock, options);
  }

  private constructor(store: Store, engine: Engine, clock: MovableClock, options: OpenOptions) {
    this.#store = store;
    this.#engine = engine;
    this.#clock = clock;
    this.#options = options;
  }

  get engine(): Engine {
    return this.#engine;
  }

  now(): number {
    return this.#clock.now();
  }

  /** Lets time pass for the engine. */
  pass(ms: number): void {
    this.#clock.pass(ms);
  }

  /** Kills the engine. One that has joined goes on, or else the store is opened again. */
  async crash(): Promise<void> {
    await this.#store.crash(this.#engine);
    this.#engine = this.#joined ?? (await this.#store.open(this.#options));
    this.#joined = undefined;
  }

  /** Another process opens the store as well. */
  async join(): Promise<void> {
    this.#joined = await this.#shared.join(this.#options);
  }

  /** As carriers that are wiped while every process is down. */
  async loseHints(): Promise<void> {
    await this.#store.crash(this.#engine);
    await this.#shared.loseHints();
    this.#engine = await this.#store.open(this.#options);
  }

  endSessions(): Promise<void> {
    return this.#shared.endSessions();
  }

  candidate(): Promise<Candidate> {
    return this.#shared.candidate();
  }

  effectsOf(id: RequestId): Promise<number> {
    return this.#store.effectsOf?.(id) ?? fail("its store shares no transaction");
  }

  get #shared(): SharedStore {
    return this.#store.shared ?? fail("its store is not shared");
  }

  /** Closes the engine gracefully and opens the store again. */
  async restart(): Promise<void> {
    await this.#engine.close();
    this.#engine = await this.#store.open(this.#options);
  }

  /** As a bad disk or a careless hand does. */
  vanish(id: RequestId): Promise<void> {
    return this.#store.vanish(this.#engine, id);
  }

  /** As a server does that takes over and had not received the commit. */
  undo(id: RequestId): Promise<void> {
    return this.#store.undo(this.#engine, id);
  }

  /** As a bad disk does. */
  spoil(id: RequestId): Promise<void> {
    return this.#store.spoil(this.#engine, id);
  }

  /** As a wrong clock does, or the loss of a row. */
  misdate(id: RequestId, times: Times | undefined): Promise<void> {
    return this.#store.misdate(this.#engine, id, times);
  }

  async accept(...requests: readonly NewRequest[]): Promise<readonly Receipt[]> {
    const result = await this.#engine.accept(requests);
    return result.kind === "accepted" ? result.receipts : fail(`${result.kind} at ${result.index}`);
  }

  async acceptOne(fields: RequestFields = {}): Promise<RequestId> {
    const [receipt] = await this.accept(request(fields));
    return receipt?.id ?? fail("no receipt");
  }

  /** Claims up to `max`, waiting for the first. */
  async take(max: number, name = orders, retries?: RetryBounds): Promise<readonly Delivery[]> {
    const isPart = await this.quiet(name);
    const taken = await this.deliver(max, name, retries);
    return isPart ? this.#takeOn(taken, max, name) : taken;
  }

  async #takeOn(before: readonly Delivery[], max: number, name: string): Promise<readonly Delivery[]> {
    const taken = [...before];
    while (taken.length < max) {
      const waiting = await this.waitForDelivery(name, max - taken.length);
      const more = await waiting.abort();
      if (more.length === 0) break;
      taken.push(...more);
    }
    return taken;
  }

  get handsAhead(): number {
    return this.#store.handsAhead ?? 0;
  }

  /** Waits until what the engine does by itself is done. */
  async quiet(name = orders): Promise<boolean> {
    return (await this.#store.quiet?.(this.#engine, name)) === true;
  }

  /** As `take`, of what is there first. */
  deliver(max = 1, name = orders, retries?: RetryBounds): Promise<readonly Delivery[]> {
    return this.#engine.deliver({ queue: name, max, retries, signal: new AbortController().signal });
  }

  async takeOne(name = orders): Promise<Delivery> {
    const [delivery] = await this.take(1, name);
    return delivery ?? fail("nothing was delivered");
  }

  /** A deliver that waits by the time this resolves, unless it was served already. */
  async waitForDelivery(name = orders, max = 1): Promise<WaitingDelivery> {
    await this.quiet(name);
    const abort = new AbortController();
    const delivered = this.#engine.deliver({ queue: name, max, signal: abort.signal });
    await this.#engine.replay(unknownId); // changes nothing, and answers only after the deliver was looked at
    return {
      delivered,
      abort: () => {
        abort.abort();
        return delivered;
      },
    };
  }

  async assertNothingToDeliver(name = orders): Promise<void> {
    const waiting = await this.waitForDelivery(name, 100);
    deepEqual(await waiting.abort(), []);
  }

  async stateOf(id: RequestId): Promise<State | undefined> {
    return (await this.#engine.read(id))?.state;
  }

  /** The conservation law, counted row by row, and the same counts told by the backlog; and no order key was inverted. */
  async assertLaw(): Promise<void> {
    const { holds, queues } = await this.#engine.audit();
    const statuses = await this.#engine.backlog();
    equal(statuses.length, queues.length);
    for (const { queue: name, accepted, missing, ...counts } of queues) {
      const status = statuses.find((candidate) => candidate.queue === name) ?? fail(`${name} has no status`);
      equal(missing, 0, `${name} misses ${missing}`);
      equal(sumOf(counts), accepted);
      deepEqual(status.counts, counts);
      equal(status.accepted, accepted);
      equal(status.backlog, counts.waiting + counts.scheduled + counts.running);
    }
    equal(holds, true);
    deepEqual((await this.#engine.auditOrder()).inversions, []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#engine.close(), this.#joined?.close()]);
    await this.#store[Symbol.asyncDispose]();
  }
}

export interface WaitingDelivery {
  readonly delivered: Promise<readonly Delivery[]>;
  /** Aborts the call and gives what it resolved to. */
  abort(): Promise<readonly Delivery[]>;
}

/** A UUIDv7 of our time that no store has handed out. */
export const unknownId = "019b76da-a800-7000-8000-000000000000" as RequestId;

export interface RequestFields {
  readonly queue?: string;
  readonly key?: string;
  readonly sender?: string;
  readonly body?: string;
  readonly callback?: string;
  readonly placement?: Placement;
}

export function request({ queue: name = orders, body = "{}", ...fields }: RequestFields = {}): NewRequest {
  const { key, sender, callback, placement } = fields;
  const content = { contentType: "application/json", headers: undefined, body: Buffer.from(body) };
  return { queue: name, key, sender, ...content, callback, placement };
}

export function queue(name: string, bounds: Partial<QueueBounds> = {}): QueueBounds {
  return { name, backlogMax: 1_000_000, backlogBytesMax: 1_000_000_000, ...bounds };
}

export function done(text = "ok"): Outcome {
  return { kind: "done", result: { contentType: "text/plain", bytes: Buffer.from(text) } };
}

export function idsOf(deliveries: readonly Delivery[]): readonly RequestId[] {
  return deliveries.map(({ claim }) => claim.id);
}

export function textOf(content: Content | undefined): string | undefined {
  return content && Buffer.from(content.bytes).toString();
}

function sumOf(counts: Readonly<Record<State, number>>): number {
  return states.reduce((sum, state) => sum + counts[state], 0);
}

/** The system's clock, ahead by what the case let pass. */
class MovableClock implements Clock {
  #aheadMs = 0;

  now(): number {
    return Date.now() + this.#aheadMs;
  }

  monotonic(): number {
    return performance.now() + this.#aheadMs;
  }

  pass(ms: number): void {
    this.#aheadMs += ms;
  }
}

/** What the engine tells a moment later. */
export async function eventually(check: () => Promise<void>): Promise<void> {
  for (let left = 50; ; left -= 1) {
    try {
      return await check();
    } catch (error) {
      if (left === 0) throw error;
      await delay(100);
    }
  }
}
