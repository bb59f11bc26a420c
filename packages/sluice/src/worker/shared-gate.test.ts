import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { StartsAsk, StartsGrant } from "../engine/engine.ts";
import { SharedGate } from "./shared-gate.ts";

const ratePerHour = 100_000;
const perMinute = ratePerHour / 60;

interface PassOptions {
  readonly stepMs: number;
  /** What each worker has ready at every step. */
  ready(worker: number): number;
  /** How many may begin at each worker until the time is over. */
  readonly places?: number;
}

/** Workers that share a rate, in a time of their own. */
class Cluster {
  readonly workers: readonly Worker[];
  /** The times of all starts. */
  readonly starts: number[] = [];
  readonly #latencyMs: number;
  readonly #answers: { readonly at: number; give(): void }[] = [];
  #now = 0;
  /** When the last start so far would have been at an even pace (GCRA): the rate as an engine keeps it. */
  #paidUntil = 0;
  #chance = 1;

  constructor({ workers, latencyMs }: { readonly workers: number; readonly latencyMs: number }) {
    this.#latencyMs = latencyMs;
    this.workers = Array.from({ length: workers }, () => new Worker(this));
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  ask({ ratePerHour, burst, wanted }: StartsAsk): Promise<StartsGrant> {
    const eachMs = 3_600_000 / ratePerHour;
    const savedMs = Math.max(eachMs, burst === undefined ? 250 : burst * eachMs);
    const paidUntil = Math.max(this.#paidUntil, this.#now);
    const granted = Math.max(0, Math.min(wanted, Math.floor((this.#now + savedMs - paidUntil) / eachMs)));
    this.#paidUntil = paidUntil + granted * eachMs;
    const retryMs = Math.max(0, this.#paidUntil + eachMs - savedMs - this.#now);
    const { promise, resolve } = Promise.withResolvers<StartsGrant>();
    this.#answers.push({ at: this.#now + this.#latencyMs, give: () => resolve({ granted, retryMs }) });
    return promise;
  }

  /** Lets time pass in steps; after each, what is ready begins as far as the gates let it. */
  async pass(ms: number, { stepMs, ready, places = Number.POSITIVE_INFINITY }: PassOptions): Promise<void> {
    for (const worker of this.workers) worker.places = places;
    for (const endsAt = this.#now + ms; this.#now < endsAt;) {
      this.#now += stepMs;
      for (const [index, worker] of this.workers.entries()) worker.ready = ready(index);
      while (this.#answers.length > 0 && (this.#answers[0]?.at as number) <= this.#now) this.#answers.shift()?.give();
      await turn(); // the answers arrive
      for (const worker of this.#inAnyOrder()) worker.start();
    }
  }

  /** Nobody is always the first to ask. */
  #inAnyOrder(): readonly Worker[] {
    this.#chance = (this.#chance * 48_271) % 2_147_483_647;
    const first = this.#chance % this.workers.length;
    return [...this.workers.slice(first), ...this.workers.slice(0, first)];
  }
}

class Worker {
  readonly #cluster: Cluster;
  readonly #gate: SharedGate;
  ready = 0;
  places = 0;
  asks = 0;
  started = 0;
  #isAsking = false;
  #mayAskAt = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#gate = new SharedGate({
      starts: (ask) => this.#ask(ask),
      queue: "orders",
      ratePerHour,
      clock: cluster,
      startable: () => this.#startable(),
      onAnswer: () => this.start(),
    });
  }

  start(): void {
    while (this.ready > 0 && this.places > 0 && this.#gate.take()) {
      this.ready -= 1;
      this.places -= 1;
      this.started += 1;
      this.#cluster.starts.push(this.#cluster.now());
    }
  }

  /** Counts on one more place than there is, which may not come. */
  #startable(): number {
    return Math.min(this.ready, this.places + 1);
  }

  /** Holds the gate to the protocol. */
  async #ask(ask: StartsAsk): Promise<StartsGrant> {
    assert.ok(!this.#isAsking, "asked while an ask was under way");
    assert.ok(this.#cluster.now() >= this.#mayAskAt, "asked sooner than it was told");
    assert.ok(ask.wanted >= 1 && ask.wanted <= this.#startable(), `${ask.wanted} wanted of ${this.#startable()}`);
    assert.ok(ask.wanted <= (ratePerHour / 3_600_000) * 50 + 1, `${ask.wanted} wanted at once`);
    this.asks += 1;
    this.#isAsking = true;
    const grant = await this.#cluster.ask(ask);
    this.#isAsking = false;
    if (grant.granted < ask.wanted) this.#mayAskAt = this.#cluster.now() + grant.retryMs;
    return grant;
  }
}

function mostInAMinute(times: readonly number[]): number {
  let most = 0;
  let from = 0;
  for (const [index, time] of times.entries()) {
    while ((times[from] as number) <= time - 60_000) from += 1;
    most = Math.max(most, index - from + 1);
  }
  return most;
}

describe("gates that share a rate", () => {
  it("keep any minute within one percent of it, whatever permits are left over before a lull", async () => {
    const scenario = fc.record({
      latencyMs: fc.integer({ min: 0, max: 20 }),
      stepMs: fc.integer({ min: 2, max: 25 }),
      // one worker asks for two permits and uses one
      flickers: fc.array(fc.record({ worker: fc.nat({ max: 23 }), ms: fc.integer({ min: 20, max: 300 }) }), {
        minLength: 40,
        maxLength: 80,
      }),
      lullMs: fc.integer({ min: 0, max: 5_000 }),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ latencyMs, stepMs, flickers, lullMs }) => {
        const cluster = new Cluster({ workers: 24, latencyMs });
        for (const { worker, ms } of flickers) {
          await cluster.pass(ms, { stepMs: 5, places: 1, ready: (index) => (index === worker ? 2 : 0) });
        }
        await cluster.pass(lullMs, { stepMs: 50, ready: () => 0 });
        const before = cluster.starts.length;
        await cluster.pass(60_000, { stepMs, ready: () => 10 });
        const most = mostInAMinute(cluster.starts);
        assert.ok(most <= perMinute * 1.01, `${most} starts in a minute`);
        const last = cluster.starts.length - before;
        assert.ok(last >= perMinute * 0.99, `${last} starts in a busy minute`);
      }),
      { numRuns: 8, endOnFailure: true },
    );
  });

  it("give a busy worker the whole rate while the others are idle, and those ask nothing", async () => {
    const cluster = new Cluster({ workers: 5, latencyMs: 2 });
    await cluster.pass(60_000, { stepMs: 2, ready: (index) => (index === 3 ? 1 : 0) });
    assert.ok(Math.abs(cluster.starts.length - perMinute) <= perMinute * 0.01, `${cluster.starts.length} starts`);
    assert.deepEqual(
      cluster.workers.map(({ asks }) => asks > 0),
      [false, false, false, true, false],
    );
  });

  it("leave none of several busy workers without its share", async () => {
    const cluster = new Cluster({ workers: 4, latencyMs: 3 });
    await cluster.pass(60_000, { stepMs: 1, ready: () => 5 });
    for (const { started } of cluster.workers) assert.ok(started > perMinute / 16, `${started} starts of one worker`);
  });
});

/** A gate whose asks are answered by hand. */
function gateByHand({ ratePerHour = 3_600_000, startable = 1_000 } = {}): {
  readonly gate: SharedGate;
  readonly asks: StartsAsk[];
  answers: number;
  move(ms: number): void;
  grant(grant: StartsGrant): Promise<void>;
} {
  let now = 0;
  let answer = Promise.withResolvers<StartsGrant>();
  const byHand = {
    asks: [] as StartsAsk[],
    answers: 0,
    move: (ms: number): void => void (now += ms),
    async grant(grant: StartsGrant): Promise<void> {
      answer.resolve(grant);
      answer = Promise.withResolvers();
      await turn();
    },
  };
  const gate = new SharedGate({
    starts: (ask) => {
      byHand.asks.push(ask);
      return answer.promise;
    },
    queue: "orders",
    ratePerHour,
    burst: 7,
    clock: { now: () => now, monotonic: () => now },
    startable: () => startable,
    onAnswer: () => void (byHand.answers += 1),
  });
  return Object.assign(byHand, { gate });
}

function takeAll({ gate }: { readonly gate: SharedGate }): number {
  let taken = 0;
  while (gate.take()) taken += 1;
  return taken;
}

describe("a gate of a shared rate", () => {
  it("asks for 50 ms of the rate at most, and for no more than could begin", () => {
    const many = gateByHand();
    assert.equal(many.gate.take(), false);
    assert.deepEqual(many.asks, [{ queue: "orders", ratePerHour: 3_600_000, burst: 7, wanted: 51 }]);
    const few = gateByHand({ startable: 3 });
    few.gate.take();
    assert.equal(few.asks[0]?.wanted, 3);
    const slow = gateByHand({ ratePerHour: 60 });
    slow.gate.take();
    assert.equal(slow.asks[0]?.wanted, 1);
  });

  it("has one ask under way at a time, and calls back with the answer", async () => {
    const byHand = gateByHand();
    assert.equal(takeAll(byHand), 0);
    assert.equal(takeAll(byHand), 0);
    assert.equal(byHand.asks.length, 1);
    assert.equal(byHand.gate.waitMs(), Number.POSITIVE_INFINITY);
    assert.equal(byHand.answers, 0);
    await byHand.grant({ granted: 51, retryMs: 0 });
    assert.equal(byHand.answers, 1);
    assert.equal(byHand.gate.waitMs(), 0);
    assert.equal(takeAll(byHand), 51);
    assert.equal(byHand.asks.length, 2);
  });

  it("waits as long as the engine says when it got less than it asked for", async () => {
    const byHand = gateByHand();
    byHand.gate.take();
    await byHand.grant({ granted: 2, retryMs: 80 });
    assert.equal(takeAll(byHand), 2);
    byHand.move(20);
    assert.equal(byHand.gate.take(), false);
    assert.equal(byHand.gate.waitMs(), 60);
    assert.equal(byHand.asks.length, 1);
    byHand.move(60);
    assert.equal(byHand.gate.take(), false);
    assert.equal(byHand.asks.length, 2);
  });

  it("lets permits go that were not used within 250 ms", async () => {
    const byHand = gateByHand();
    byHand.gate.take();
    await byHand.grant({ granted: 51, retryMs: 0 });
    byHand.move(249);
    assert.equal(byHand.gate.take(), true);
    byHand.move(1);
    assert.equal(byHand.gate.take(), false);
    assert.equal(byHand.asks.length, 2);
  });

  it("has nothing claimed ahead beyond 50 ms of the rate, nor while the engine said that none is to be had", async () => {
    const byHand = gateByHand();
    assert.equal(byHand.gate.within(50), 51);
    byHand.gate.take();
    await byHand.grant({ granted: 0, retryMs: 60 });
    assert.equal(byHand.gate.within(50), 0);
    byHand.move(10);
    assert.equal(byHand.gate.within(50), 51);
    assert.equal(gateByHand({ ratePerHour: 60 }).gate.within(50), 1);
  });

  it("closes once its ask was answered", async () => {
    const byHand = gateByHand();
    await byHand.gate.close();
    byHand.gate.take();
    let isClosed = false;
    const closed = byHand.gate.close().then(() => void (isClosed = true));
    await turn();
    assert.equal(isClosed, false);
    await byHand.grant({ granted: 1, retryMs: 0 });
    await closed;
  });
});
