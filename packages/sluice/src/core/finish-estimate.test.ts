import assert from "node:assert/strict";
import { test } from "node:test";
import { recordedArrivals, type RecordedArrivals } from "../../test/recorded-arrivals.ts";
import { FinishEstimate, type LineReading } from "./finish-estimate.ts";
import type { RequestId } from "./request-id.ts";
import { seededRandom } from "./seeded-random.ts";

const workers = 4;
/** As the gateway does: a reading when the last one is older, and so many looks at receipts with each. */
const freshMs = 200;
const looksMax = 8;

interface Target {
  /** Of the arrivals to what can be finished, over the whole time. */
  readonly utilisation: number;
  /** The standard deviation of an attempt's time, in means of it. */
  readonly spread: number;
  /** How much longer attempts take at this part of the time. */
  readonly slowness: (part: number) => number;
  /** The part of the requests that fail once, and are tried again after a second. */
  readonly retried: number;
}

const steady: Target = { utilisation: 0.8, spread: 1, slowness: () => 1, retried: 0 };

test("85 to 97 in a hundred receipts of real arrivals are finished by the time that they tell", () => {
  const targets: Record<string, Target> = {
    "a target whose times vary as much as they last": steady,
    "a target with room to spare, and requests that are tried twice": { ...steady, utilisation: 0.5, retried: 0.05 },
    "a target that takes about as long each time, slows down and recovers": {
      ...steady,
      spread: 0.2,
      slowness: (part) => (part > 0.4 && part < 0.5 ? 1.5 : 1),
    },
  };
  for (const arrivals of recordedArrivals) {
    for (const [name, target] of Object.entries(targets)) {
      const { told, kept, total } = replay(arrivals, target);
      const share = kept / told;
      assert.ok(share >= 0.85 && share <= 0.97, `${arrivals.name}, ${name}: ${(100 * share).toFixed(1)} % kept`);
      assert.ok(told >= 0.99 * total, `${arrivals.name}, ${name}: ${told} of ${total} told`);
    }
  }
});

interface Replayed {
  readonly total: number;
  /** Receipts with a time. */
  readonly told: number;
  /** Of these, those that were finished by then. */
  readonly kept: number;
}

/** One line and a few workers: each request as the gateway answers it, knowing what the gateway knows at that time. */
function replay({ name, counts, everyMs }: RecordedArrivals, target: Target): Replayed {
  const { next: random } = seededRandom(1, name);
  const arrivals = counts
    .flatMap((count, index) => Array.from({ length: count }, () => (index + random()) * everyMs))
    .sort((a, b) => a - b);
  const lengthMs = counts.length * everyMs;
  const meanMs = (workers * target.utilisation * lengthMs) / arrivals.length;
  const estimate = new FinishEstimate();
  const starts = new Passed();
  const ends = new Passed();
  const freeAt = Array.from({ length: workers }, () => 0);
  const finishedAt: number[] = [];
  let readAt = Number.NEGATIVE_INFINITY;
  let [told, kept] = [0, 0];
  for (const [accepted, at] of arrivals.entries()) {
    if (at - readAt >= freshMs) {
      const finished = ends.by(at);
      const waiting = accepted - starts.by(at);
      const backlog = accepted - finished;
      estimate.read({ at, now: at, backlog, waiting, finished, isDelivered: true, isTried: backlog > 0 });
      for (const id of estimate.due(at, looksMax)) {
        const end = finishedAt[Number(id)] as number;
        if (end <= at) estimate.learn(id, end);
      }
      readAt = at;
    }
    const worker = freeAt.indexOf(Math.min(...freeAt));
    const startedAt = Math.max(at, freeAt[worker] as number);
    const tookMs = meanMs * target.slowness(startedAt / lengthMs) * logNormal(random, target.spread);
    freeAt[worker] = startedAt + tookMs;
    const end = startedAt + tookMs + 3 + 5 * random() + (random() < target.retried ? 1_000 : 0);
    starts.add(startedAt);
    ends.add(end);
    finishedAt.push(end);
    const withinMs = estimate.promiseNext(String(accepted) as RequestId, at, at);
    if (withinMs === undefined) continue;
    told += 1;
    if (end <= at + withinMs) kept += 1;
  }
  return { total: arrivals.length, told, kept };
}

/** Counts times that have passed; they are added in about their order. */
class Passed {
  readonly #ahead: number[] = [];
  #count = 0;

  add(at: number): void {
    let index = 0;
    while (index < this.#ahead.length && (this.#ahead[index] as number) > at) index += 1;
    this.#ahead.splice(index, 0, at); // the soonest last
  }

  by(now: number): number {
    while (this.#ahead.length > 0 && (this.#ahead.at(-1) as number) <= now) {
      this.#ahead.pop();
      this.#count += 1;
    }
    return this.#count;
  }
}

/** With mean 1. */
function logNormal(random: () => number, spread: number): number {
  const variance = Math.log(1 + spread ** 2);
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.exp(Math.sqrt(variance) * normal - variance / 2);
}

const reading: LineReading = {
  at: 0,
  now: 0,
  backlog: 0,
  waiting: 0,
  finished: 0,
  isDelivered: true,
  isTried: false,
};
const anId = "a" as RequestId;

test("nothing is promised before anything is known, and then by the first that was looked at", () => {
  const estimate = new FinishEstimate();
  estimate.read(reading);
  assert.equal(estimate.promiseNext(anId, 0, 0), undefined);
  assert.deepEqual(estimate.due(0, 8), [anId]);
  estimate.learn(anId, 40);
  estimate.read({ ...reading, at: 1_000, finished: 1 });
  assert.equal(estimate.promiseNext("b" as RequestId, 1_000, 1_000), 40);
});

test("by a set rate each waits for all before it, and for those of its own batch", () => {
  const estimate = new FinishEstimate({ ratePerHour: 3_600 });
  estimate.read({ ...reading, backlog: 10, waiting: 10 });
  assert.deepEqual(
    ["a", "b", "c"].map((id) => estimate.promiseNext(id as RequestId, 0, 0)),
    [11_000, 12_000, 13_000],
  );
  assert.equal(estimate.predictMs(1, 2_000), 11_000, "two seconds later two are gone");
  assert.equal(estimate.predictMs(0.5, 0), 6_500);
});

test("the rate is what was finished while something waited, and at most the set one", () => {
  const estimate = new FinishEstimate();
  estimate.read({ ...reading, backlog: 100, waiting: 90 });
  estimate.read({ ...reading, at: 1_000, backlog: 80, waiting: 70, finished: 20 });
  assert.equal(estimate.ratePerMs, 0.02);
  estimate.read({ ...reading, at: 2_000, backlog: 80, waiting: 70, finished: 20, isDelivered: false });
  estimate.read({ ...reading, at: 100_000, backlog: 80, waiting: 70, finished: 20 });
  assert.equal(estimate.ratePerMs, 0.02, "a pause says nothing of it");
  estimate.read({ ...reading, at: 101_000, backlog: 0, waiting: 0, finished: 100 });
  assert.equal(estimate.ratePerMs, 0.02, "nor does a queue that ran empty");
  const limited = new FinishEstimate({ ratePerHour: 36_000 });
  limited.read({ ...reading, backlog: 100, waiting: 90 });
  limited.read({ ...reading, at: 1_000, backlog: 80, waiting: 70, finished: 20 });
  assert.equal(limited.ratePerMs, 0.01);
});

test("a wait of more than a year is no promise", () => {
  const estimate = new FinishEstimate({ ratePerHour: 1 });
  estimate.read({ ...reading, backlog: 10_000, waiting: 10_000 });
  assert.equal(estimate.promiseNext(anId, 0, 0), undefined);
});

test("nothing is promised once nothing of what is tried is finished for a minute, until something is", () => {
  const estimate = new FinishEstimate({ timeoutMs: 30_000 });
  const tried = { ...reading, backlog: 80, waiting: 70, isTried: true };
  estimate.read({ ...tried, finished: 0 });
  estimate.read({ ...tried, at: 1_000, now: 5_000, finished: 20 });
  estimate.read({ ...tried, at: 50_000, finished: 20 });
  assert.deepEqual(estimate.standstill(60_999), { since: 5_000, isLong: false });
  assert.ok(estimate.promiseNext(anId, 0, 60_999) !== undefined);
  assert.deepEqual(estimate.standstill(61_000), { since: 5_000, isLong: true });
  assert.equal(estimate.promiseNext(anId, 0, 61_000), undefined);
  estimate.read({ ...tried, at: 70_000, now: 70_000, finished: 21 });
  assert.deepEqual(estimate.standstill(70_000), { since: 70_000, isLong: false });
  assert.ok(estimate.promiseNext(anId, 0, 70_000) !== undefined);
});

test("the time in which nothing is tried is no standstill", () => {
  const estimate = new FinishEstimate();
  const tried = { ...reading, backlog: 1, isTried: true };
  estimate.read(tried);
  estimate.read({ ...tried, at: 30_000, isTried: false });
  assert.equal(estimate.standstill(90_000), undefined);
  estimate.read({ ...tried, at: 90_000, now: 90_000 });
  assert.deepEqual(estimate.standstill(149_999), { since: 90_000, isLong: false });
});

test("attempts that may take long, or begin seldom, may finish as seldom", () => {
  const slow = new FinishEstimate({ ratePerHour: 60, timeoutMs: 600_000 });
  slow.read({ ...reading, backlog: 1, isTried: true });
  assert.deepEqual(
    [659_999, 660_000].map((at) => slow.standstill(at)?.isLong),
    [false, true],
  );
});
