// A queue simulated over the decisions of core/: a worker's places, its breaker, the share of those that failed before and
// their backoff. Good and bad requests together, outages of every kind: the good ones keep their rate, and an outage uses
// up no attempts.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Breaker, type FailedRequest } from "./breaker.ts";
import type { RequestId } from "./request-id.ts";
import { decideRetry, defaultRetryPolicy, type RetryPolicy } from "./retry.ts";
import { RetryShare } from "./retry-share.ts";
import { seededRandom } from "./seeded-random.ts";

/** What the target makes of one attempt. */
interface Answer {
  readonly takesMs: number;
  readonly sign?: FailedRequest["sign"] | undefined;
  readonly isReached?: boolean;
  readonly retryAfterMs?: number;
}

type Target = (isGood: boolean, nowMs: number) => Answer;

interface World {
  readonly target: Target;
  readonly concurrency: number;
  /** Starts in a second; unlimited unless given. */
  readonly rate?: number;
  readonly good: number;
  readonly bad: number;
  /** Bad ones that wait in a row; mixed by chance unless given. */
  readonly run?: number;
  /** Requests that arrive in a second; all at once unless given. */
  readonly arriving?: number;
  readonly policy?: Partial<RetryPolicy>;
  readonly seed?: number;
  readonly untilMs: number;
}

interface Request {
  readonly id: RequestId;
  readonly isGood: boolean;
  readonly arrivesAt: number;
  attempt: number;
  dueAt: number;
  finishedAt: number;
  state: "waiting" | "done" | "dead";
}

interface Report {
  readonly requests: readonly Request[];
  readonly attemptsAt: readonly number[];
}

function play(world: World): Report {
  const { target, concurrency, rate, arriving, untilMs } = world;
  const policy = { ...defaultRetryPolicy, ...world.policy };
  const random = seededRandom(world.seed ?? 1, "mixtures");
  let nowMs = 0;
  const clock = { now: () => nowMs, monotonic: () => nowMs };
  const breaker = new Breaker({ clock, probesMax: Math.min(concurrency, 16) });
  const share = new RetryShare({ concurrency, clock });
  const requests = (world.run === undefined ? mixed(world, random.next) : inRuns(world, world.run)).map(
    (isGood, n): Request => {
      const arrivesAt = arriving === undefined ? 0 : (n * 1_000) / arriving;
      return { id: String(n) as RequestId, isGood, arrivesAt, attempt: 1, dueAt: 0, finishedAt: 0, state: "waiting" };
    },
  );
  const attemptsAt: number[] = [];
  const returned: Request[] = [];
  const running: { readonly request: Request; readonly answer: Answer; readonly startedAt: number; endsAt: number }[] =
    [];
  let cursor = 0;
  let nextStartAt = 0;

  const nextRequest = (): Request | undefined => {
    const { first, most } = share.bounds({ isProbe: breaker.state !== "closed" });
    const due = returned[0] !== undefined && returned[0].dueAt <= nowMs;
    const fresh = requests[cursor];
    const isFreshThere = fresh !== undefined && fresh.arrivesAt <= nowMs;
    if (due && (first > 0 || (!isFreshThere && most > 0))) return returned.shift();
    if (!isFreshThere) return undefined;
    cursor += 1;
    return fresh;
  };
  const start = (): boolean => {
    if (running.length >= concurrency || breaker.room() === 0 || nowMs < nextStartAt) return false;
    const request = nextRequest();
    if (request === undefined) return false;
    if (rate !== undefined) nextStartAt = Math.max(nextStartAt, nowMs - 1_000 / rate) + 1_000 / rate;
    if (isAgain(request)) share.claimed();
    share.started({ isRetry: isAgain(request) });
    breaker.started(request.id);
    const answer = target(request.isGood, nowMs);
    attemptsAt.push(nowMs);
    running.push({ request, answer, startedAt: nowMs, endsAt: nowMs + answer.takesMs });
    return true;
  };
  const end = ({ request, answer, startedAt }: (typeof running)[number]): void => {
    const { id, attempt } = request;
    const { sign, isReached = true, retryAfterMs } = answer;
    if (isAgain(request)) share.released(nowMs - startedAt);
    if (sign === undefined) {
      breaker.answered(id);
      request.state = "done";
      request.finishedAt = nowMs;
      return;
    }
    const judgement = breaker.failed({ id, attempt, sign, running: running.length, retryAfterMs });
    const isCounted = isReached && judgement.isCounted;
    const failure = { code: sign, message: "", isRetryable: true, isCounted };
    const waitMs = Math.max(retryAfterMs ?? 0, judgement.leastWaitMs);
    const decision = decideRetry({
      failure: { ...failure, retryAfterMs: waitMs },
      attempt,
      acceptedAt: 0,
      now: nowMs,
      policy,
      random: random.next(),
    });
    if (decision.kind === "dead") {
      request.state = "dead";
      request.finishedAt = nowMs;
      return;
    }
    if (isCounted) request.attempt += 1;
    request.dueAt = decision.dueAt;
    const at = returned.findIndex(({ dueAt }) => dueAt > request.dueAt);
    returned.splice(at === -1 ? returned.length : at, 0, request);
  };

  while (nowMs < untilMs) {
    while (start());
    const times = [
      ...running.map(({ endsAt }) => endsAt),
      requests[cursor]?.arrivesAt ?? Number.POSITIVE_INFINITY,
      returned[0]?.dueAt ?? Number.POSITIVE_INFINITY,
      nextStartAt,
      nowMs + breaker.waitMs(),
    ].filter((at) => at > nowMs);
    nowMs = Math.min(...times);
    for (const over of running.filter(({ endsAt }) => endsAt <= nowMs)) {
      running.splice(running.indexOf(over), 1);
      end(over);
    }
  }
  return { requests, attemptsAt };
}

/** Good and bad in an order by chance. */
function mixed({ good, bad }: World, random: () => number): readonly boolean[] {
  const left = { good, bad };
  return Array.from({ length: good + bad }, () => {
    const isGood = random() * (left.good + left.bad) < left.good;
    left[isGood ? "good" : "bad"] -= 1;
    return isGood;
  });
}

/** So many bad ones in a row, then good ones in their proportion. */
function inRuns({ good, bad }: World, run: number): readonly boolean[] {
  const between = Math.round((good * run) / bad);
  return Array.from({ length: good + bad }, (_, n) => n % (run + between) >= run);
}

function isAgain({ dueAt }: Request): boolean {
  return dueAt > 0;
}

/** Good requests done by a time. */
function goodBy({ requests }: Report, ms: number): number {
  return requests.filter(({ isGood, state, finishedAt }) => isGood && state === "done" && finishedAt <= ms).length;
}

const answers = {
  error: { takesMs: 5, sign: "error" },
  unavailable: { takesMs: 1, sign: "outage" },
  throttled: { takesMs: 1, sign: "outage", retryAfterMs: 1_000 },
  hangs: { takesMs: 2_000, sign: "silence" },
  slow: { takesMs: 1_000 },
  slowError: { takesMs: 1_000, sign: "error" },
} as const satisfies Record<string, Answer>;
const wellMs = 5;

function badAre(answer: Answer): Target {
  return (isGood) => (isGood ? { takesMs: wellMs } : answer);
}

/** That retries cost the good ones under 5 % of the time, and at most one retry besides. */
function assertLikeOnce(world: World, retryMs: number): void {
  const done = goodBy(play(world), world.untilMs);
  const once = goodBy(play({ ...world, policy: { attemptsMax: 1 } }), world.untilMs * 0.95 - retryMs);
  assert.ok(done >= once, `${done} good ones are done, and ${once} in 95 % of the time where bad ones are tried once`);
}

describe("good requests among bad ones", () => {
  for (const [kind, answer] of Object.entries(answers))
    for (const percent of [5, 20])
      it(`lose under 5 % of their rate: ${percent} % ${kind}, arriving`, () => {
        const arriving = 100;
        const seconds = 60;
        const bad = (arriving * seconds * percent) / 100;
        const world = { concurrency: 64, arriving, bad, good: arriving * seconds - bad, target: badAre(answer) };
        const report = play({ ...world, untilMs: seconds * 1_000 });
        const arrived = report.requests.filter(({ isGood }) => isGood).length;
        const done = goodBy(report, seconds * 1_000);
        assert.ok(done >= arrived * 0.95, `${done} of ${arrived} good ones are done`);
        const lateMs = report.requests
          .filter(({ isGood, state }) => isGood && state === "done")
          .reduce((most, { arrivesAt, finishedAt }) => Math.max(most, finishedAt - arrivesAt), 0);
        assert.ok(lateMs < 2_000, `one waited ${lateMs} ms`);
      });

  for (const kind of ["error", "unavailable", "throttled"] as const)
    for (const percent of [5, 20])
      it(`lose under 5 % of what first attempts leave of a rate: ${percent} % ${kind}, all at once`, () => {
        const rate = 50;
        const good = 3_000 * (1 - percent / 100);
        const world = { concurrency: 16, rate, bad: 3_000 - good, good, target: badAre(answers[kind]) };
        assertLikeOnce({ ...world, untilMs: 40_000 }, 0);
      });

  it("are as fast as if bad ones were tried once, whatever the places, the mixture and the order", () => {
    const kinds = fc.constantFrom(...Object.values(answers));
    const percents = fc.integer({ min: 1, max: 20 });
    const given = { kind: kinds, percent: percents, concurrency: fc.integer({ min: 1, max: 40 }), seed: fc.nat() };
    fc.assert(
      fc.property(fc.record(given), ({ kind, percent, concurrency, seed }) => {
        const bad = 20 * percent;
        const world = { concurrency, bad, good: 2_000 - bad, target: badAre(kind), seed, untilMs: 20_000 };
        assertLikeOnce(world, kind.takesMs);
      }),
      { numRuns: 60 },
    );
  });

  it("come to their end where one in twenty of 3,000 hangs", () => {
    const hanging = { concurrency: 16, good: 2_850, bad: 150, target: badAre(answers.hangs) };
    const report = play({ ...hanging, untilMs: 22_000 });
    assert.equal(goodBy(report, 22_000), 2_850, "150 × 2 s on 16 places take 18.75 s");
  });

  it("are not counted for the bad, and the bad die of their own attempts", () => {
    const report = play({
      concurrency: 16,
      arriving: 100,
      good: 5_700,
      bad: 300,
      target: badAre(answers.error),
      policy: { attemptsMax: 3 },
      untilMs: 90_000,
    });
    for (const { isGood, state, attempt } of report.requests)
      assert.deepEqual([state, attempt], isGood ? ["done", 1] : ["dead", 3]);
  });
});

describe("bad requests in a row", () => {
  const each = { concurrency: 16, good: 500, bad: 100, run: 100 };

  it("hold the good ones up for seconds: a hundred errors", () => {
    const report = play({ ...each, target: badAre(answers.error), untilMs: 20_000 });
    assert.equal(goodBy(report, 20_000), 500);
  });

  it("hold the good ones up for a few pauses: forty of a sender that is over its limit for half a minute", () => {
    const target = badAre({ ...answers.throttled, retryAfterMs: 30_000 });
    const report = play({ ...each, bad: 40, run: 40, target, untilMs: 240_000 });
    assert.equal(goodBy(report, 240_000), 500);
  });

  it("take no more than a second or two each time: runs of twenty, one request in five bad", () => {
    const world = { concurrency: 16, good: 800, bad: 200, run: 20, target: badAre(answers.error) };
    assert.equal(goodBy(play({ ...world, untilMs: 40_000 }), 40_000), 800);
  });
});

describe("an outage", () => {
  const kinds = {
    refused: { takesMs: 1, sign: "outage", isReached: false },
    unavailable: answers.unavailable,
    hanging: answers.hangs,
    throttled: { ...answers.unavailable, retryAfterMs: 20_000 },
  } as const satisfies Record<string, Answer>;
  const [fromMs, toMs] = [10_000, 130_000];

  for (const [kind, answer] of Object.entries(kinds) as readonly [string, Answer][])
    for (const bad of [0, 200])
      it(`uses up no attempts, and is over when the target is back: ${kind}, with ${bad} bad ones`, () => {
        const target: Target = (isGood, nowMs) =>
          nowMs >= fromMs && nowMs < toMs ? answer : isGood ? { takesMs: wellMs } : answers.error;
        const concurrency = 16;
        const report = play({ target, concurrency, arriving: 40, good: 8_000 - bad, bad, untilMs: 240_000 });
        const good = report.requests.filter(({ isGood }) => isGood);
        assert.deepEqual(new Set(good.map(({ state }) => state)), new Set(["done"]));
        const burnt = good.reduce((sum, { attempt }) => sum + attempt - 1, 0);
        assert.ok(burnt <= 4, `${burnt} attempts were used up`);
        const during = report.attemptsAt.filter((at) => at >= fromMs + 5_000 && at < toMs).length;
        assert.ok(during <= 12 * concurrency, `${during} attempts in two minutes of outage`);
        const firstAfter = Math.min(...good.map(({ finishedAt }) => finishedAt).filter((at) => at > toMs));
        assert.ok(firstAfter < toMs + 21_000, `the first one is done ${firstAfter - toMs} ms after the outage`);
      });

  it("of two hours ends none of a few requests, and costs each of them one attempt", () => {
    const outMs = 7_200_000;
    const target: Target = (_isGood, nowMs) => (nowMs < outMs ? answers.unavailable : { takesMs: wellMs });
    const report = play({ target, concurrency: 16, good: 3, bad: 0, untilMs: outMs + 20_000 });
    for (const { state, attempt } of report.requests) assert.deepEqual([state, attempt], ["done", 2]);
    assert.ok(report.attemptsAt.length < 3 * (outMs / 15_000 + 10), `${report.attemptsAt.length} attempts`);
  });

  it("is over for a queue in which only requests are left that failed before", () => {
    const target: Target = (isGood, nowMs) => (nowMs < 60_000 || !isGood ? answers.unavailable : { takesMs: wellMs });
    const report = play({ target, concurrency: 4, good: 50, bad: 5, untilMs: 200_000 });
    assert.equal(goodBy(report, 200_000), 50);
  });
});
