// Random histories of order keys, groups and urgencies beside a model of the order keys: whatever is accepted, delivered, ended,
// retried, cancelled, replayed, released, restarted and killed in between, no order key is begun out of turn or twice at once, and
// none is stuck at the end.
import { deepEqual, equal, fail, ok } from "node:assert/strict";
import { lineSettingsDefault } from "../../core/line-settings.ts";
import type { Claim, State } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import { boom, dead, done, eventually, orders, queue, request, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

const stepsEach = 100;
const passMsMax = 4_000;

export function liningHistoryCases(
  check: Check,
  { runs, seed }: { readonly runs: number; readonly seed: number },
): void {
  for (let run = 0; run < runs; run += 1) {
    const random = randomOf(seed + run);
    const afterDead = random.below(3) === 0 ? "hold" : "next";
    const lines = { ...lineSettingsDefault, afterDead, concurrency: random.below(3) === 0 ? 3 : undefined } as const;
    check(
      `order keys are in order and none is stuck (SLUICE_TEST_SEED=${seed + run}, SLUICE_TEST_RUNS=1)`,
      (rig) => new LiningHistory(rig, random, afterDead === "hold").play(),
      { queues: [queue(orders, { lines })] },
    );
  }
}

class LiningHistory {
  readonly #rig: Rig;
  readonly #random: Random;
  readonly #holds: boolean;
  readonly #orderOf = new Map<RequestId, string | undefined>();
  /** Of each order key those without an outcome, and a dead one that holds it, in the order in which they are to begin. */
  readonly #turns = new Map<string, RequestId[]>();
  readonly #claims = new Map<RequestId, Claim>();
  readonly #ended = new Map<RequestId, State>();

  constructor(rig: Rig, random: Random, holds: boolean) {
    this.#rig = rig;
    this.#random = random;
    this.#holds = holds;
  }

  async play(): Promise<void> {
    for (let step = 0; step < stepsEach; step += 1) await this.#step();
    await this.#drain();
  }

  #step(): Promise<void> {
    const at = this.#random.below(100);
    if (at < 30) return this.#accept();
    if (at < 60) return this.#deliver();
    if (at < 80) return this.#end();
    if (at < 86) return this.#cancel();
    if (at < 91) return this.#replay();
    if (at < 94) return this.#release();
    if (at < 97) return this.#pass();
    return this.#restart();
  }

  #pass(): Promise<void> {
    this.#rig.pass(this.#random.below(passMsMax));
    return Promise.resolve();
  }

  async #accept(): Promise<void> {
    const { below } = this.#random;
    const placements = Array.from({ length: 1 + below(6) }, () => ({
      order: below(10) < 7 ? `k${below(4)}` : undefined,
      group: below(2) === 0 ? `g${below(3)}` : undefined,
      urgency: below(2) === 0 ? below(8) : undefined,
      notBefore: below(10) === 0 ? this.#rig.now() + below(passMsMax) : undefined,
    }));
    const receipts = await this.#rig.accept(...placements.map((placement) => request({ placement })));
    for (const [index, { id }] of receipts.entries()) {
      const order = placements[index]?.order;
      this.#orderOf.set(id, order);
      if (order !== undefined) this.#turns.set(order, [...this.#turnsOf(order), id]);
    }
  }

  async #deliver(): Promise<void> {
    const waiting = await this.#rig.waitForDelivery(orders, 1 + this.#random.below(8));
    for (const { claim } of await waiting.abort()) {
      const { id } = claim;
      ok(!this.#claims.has(id) && !this.#ended.has(id), `${id} was delivered twice`);
      const order = this.#orderOf.get(id);
      if (order !== undefined) equal(this.#turnsOf(order)[0], id, `${order} was begun out of turn`);
      this.#claims.set(id, claim);
    }
  }

  async #end(): Promise<void> {
    const [id, claim] = this.#oneOf([...this.#claims]) ?? [];
    if (id === undefined || claim === undefined) return;
    const { below } = this.#random;
    const { engine } = this.#rig;
    this.#claims.delete(id);
    if (below(5) >= 3) {
      const dueAt = below(2) === 0 ? 0 : this.#rig.now() + below(passMsMax);
      await engine.retry(claim, { dueAt, failure: below(2) === 0 ? boom : undefined, isCounted: below(2) === 0 });
      return;
    }
    const isDone = below(3) > 0;
    equal(await engine.settle(claim, isDone ? done() : dead), "settled");
    this.#noteEnd(id, isDone ? "done" : "dead");
  }

  async #cancel(): Promise<void> {
    const id = this.#oneOf([...this.#orderOf.keys()].filter((one) => !this.#ended.has(one) && !this.#claims.has(one)));
    if (id === undefined) return;
    deepEqual(await this.#rig.engine.cancel(id), { kind: "moved" });
    this.#noteEnd(id, "cancelled");
  }

  async #replay(): Promise<void> {
    const id = this.#oneOf([...this.#ended].flatMap(([one, state]) => (state === "dead" ? [one] : [])));
    if (id === undefined) return;
    deepEqual(await this.#rig.engine.replay(id), { kind: "moved" });
    this.#ended.delete(id);
    const order = this.#orderOf.get(id);
    if (order !== undefined) this.#turns.set(order, [...this.#turnsOf(order).filter((one) => one !== id), id]);
  }

  async #release(): Promise<void> {
    const order = this.#oneOf([...this.#turns.keys()]);
    if (order === undefined) return;
    const [first] = this.#turnsOf(order);
    const isHeld = first !== undefined && this.#ended.has(first);
    await this.#rig.quiet();
    equal(await this.#rig.engine.lines.releaseOrder(orders, order), isHeld);
    if (isHeld) this.#turns.set(order, this.#turnsOf(order).slice(1));
  }

  async #restart(): Promise<void> {
    await (this.#random.below(2) === 0 ? this.#rig.restart() : this.#rig.crash());
    this.#claims.clear();
  }

  #noteEnd(id: RequestId, state: State): void {
    this.#ended.set(id, state);
    const order = this.#orderOf.get(id);
    if (order === undefined || (this.#holds && state === "dead")) return;
    this.#turns.set(
      order,
      this.#turnsOf(order).filter((one) => one !== id),
    );
  }

  async #drain(): Promise<void> {
    const { engine } = this.#rig;
    for (const claim of this.#claims.values()) await engine.settle(claim, done());
    for (const [id] of this.#claims) this.#noteEnd(id, "done");
    this.#claims.clear();
    for (let round = 0; this.#orderOf.size > this.#ended.size; round += 1) {
      if (round > this.#orderOf.size + 100) fail(`${this.#orderOf.size - this.#ended.size} are stuck`);
      for (const order of this.#turns.keys()) {
        const [first] = this.#turnsOf(order);
        if (first === undefined || !this.#ended.has(first)) continue;
        await this.#rig.quiet();
        equal(await engine.lines.releaseOrder(orders, order), true);
        this.#turns.set(order, this.#turnsOf(order).slice(1));
      }
      this.#rig.pass(passMsMax);
      await this.#deliver();
      for (const [id, claim] of this.#claims) {
        await engine.settle(claim, done());
        this.#noteEnd(id, "done");
      }
      this.#claims.clear();
    }
    await eventually(async () => deepEqual(await engine.lines.groups(orders, 10), []));
  }

  #turnsOf(order: string): readonly RequestId[] {
    return this.#turns.get(order) ?? [];
  }

  #oneOf<Item>(all: readonly Item[]): Item | undefined {
    return all[this.#random.below(all.length)];
  }
}

interface Random {
  /** A whole number from 0 to below `end`. */
  readonly below: (end: number) => number;
}

/** The same seed gives the same numbers (mulberry32). */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return {
    below(end) {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * end);
    },
  };
}
