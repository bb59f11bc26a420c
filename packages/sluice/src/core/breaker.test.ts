import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Breaker, type FailedRequest, type Judgement } from "./breaker.ts";
import type { RequestId } from "./request-id.ts";

class Stand {
  nowMs = 0;
  readonly breaker = new Breaker({
    clock: { now: () => this.nowMs, monotonic: () => this.nowMs },
    pauseMs: 1_000,
    pauseMaxMs: 3_000,
    retryAfterMaxMs: 60_000,
  });

  fail(request: number | string, given: Partial<FailedRequest> = {}): Judgement {
    return this.breaker.failed({
      id: String(request) as RequestId,
      attempt: 1,
      sign: "outage",
      running: 0,
      retryAfterMs: undefined,
      ...given,
    });
  }

  answer(request: number | string): void {
    this.breaker.answered(String(request) as RequestId);
  }

  /** Ten different requests fail. */
  open(given: Partial<FailedRequest> = {}): void {
    for (let request = 0; request < 10; request += 1) this.fail(`opens ${request}`, given);
    assert.equal(this.breaker.state, "open");
  }

  /** Starts a delivery once the breaker has room for it. */
  probe(request: number | string): void {
    this.nowMs += this.breaker.waitMs();
    this.breaker.started(String(request) as RequestId);
    assert.equal(this.breaker.state, "probing");
  }
}

describe("the breaker", () => {
  it("opens when ten different requests fail and none is answered", () => {
    const stand = new Stand();
    for (let request = 0; request < 9; request += 1) stand.fail(request);
    assert.equal(stand.breaker.state, "closed");
    stand.fail(9);
    assert.equal(stand.breaker.state, "open");
    assert.equal(stand.breaker.reason, "target");
    assert.equal(stand.breaker.room(), 0);
  });

  it("never opens for the same few requests, however often they fail", () => {
    const stand = new Stand();
    for (let attempt = 1; attempt < 100; attempt += 1)
      for (let request = 0; request < 9; request += 1) stand.fail(request, { attempt, sign: "error" });
    assert.equal(stand.breaker.state, "closed");
  });

  it("never opens for requests that had failed before this process started, once the target answers", () => {
    const stand = new Stand();
    stand.answer("good");
    for (let request = 0; request < 50; request += 1) stand.fail(request, { attempt: 4, sign: "error" });
    assert.equal(stand.breaker.state, "closed");
  });

  it("opens for requests that had failed before, while nothing was ever answered", () => {
    const stand = new Stand();
    for (let request = 0; request < 10; request += 1) stand.fail(request, { attempt: 4 });
    assert.equal(stand.breaker.state, "open");
  });

  it("weighs an answer against nine failures", () => {
    const stand = new Stand();
    for (let request = 0; request < 9; request += 1) stand.fail(request);
    stand.answer("good");
    for (let request = 10; request < 19; request += 1) stand.fail(request);
    assert.equal(stand.breaker.state, "closed");
    stand.fail(19);
    assert.equal(stand.breaker.state, "open");
  });

  it("waits until more attempts have failed than still run", () => {
    const stand = new Stand();
    for (let request = 0; request < 40; request += 1) stand.fail(request, { running: 41 });
    assert.equal(stand.breaker.state, "closed");
    stand.fail(41, { running: 41 });
    assert.equal(stand.breaker.state, "open");
  });

  it("takes no evidence that is older than a minute", () => {
    const stand = new Stand();
    for (let request = 0; request < 9; request += 1) stand.fail(request);
    stand.nowMs += 60_001;
    stand.fail(9);
    assert.equal(stand.breaker.state, "closed");
  });

  it("stays closed while after nine failures at most one request is answered", () => {
    const ends = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })), { maxLength: 200 });
    fc.assert(
      fc.property(ends, (runs) => {
        const stand = new Stand();
        let request = 0;
        for (const [failures, answers] of runs) {
          for (let n = 0; n < failures; n += 1) stand.fail((request += 1));
          for (let n = 0; n < answers; n += 1) stand.answer((request += 1));
          assert.equal(stand.breaker.state, "closed");
        }
      }),
    );
  });

  it("lets one delivery probe after its pause, and closes on its answer", () => {
    const stand = new Stand();
    stand.open();
    stand.nowMs += 999;
    assert.equal(stand.breaker.room(), 0);
    stand.nowMs += 1;
    assert.equal(stand.breaker.room(), 1);
    stand.probe("probe");
    assert.equal(stand.breaker.room(), 0);
    stand.answer("probe");
    assert.equal(stand.breaker.room(), Number.POSITIVE_INFINITY);
  });

  it("waits longer after each failed probe, up to its bound", () => {
    const stand = new Stand();
    stand.open();
    const pauses = [1, 2, 3].map((probe) => {
      stand.probe(probe);
      stand.fail(probe);
      return stand.breaker.waitMs();
    });
    assert.deepEqual(pauses, [2_000, 3_000, 3_000]);
  });

  it("does not push its probe back for deliveries that were under way when it opened", () => {
    const stand = new Stand();
    stand.open();
    stand.nowMs += 900;
    stand.fail("late");
    assert.equal(stand.breaker.waitMs(), 100);
    stand.probe("probe");
    stand.fail("later");
    assert.equal(stand.breaker.state, "probing");
  });

  it("is ready to probe again when a shutdown cut the probe off", () => {
    const stand = new Stand();
    stand.open();
    stand.probe("probe");
    stand.breaker.unknown("probe" as RequestId);
    assert.equal(stand.breaker.room(), 1);
  });

  it("waits as long as the target asks for, up to its bound", () => {
    const stand = new Stand();
    stand.open({ retryAfterMs: 20_000 });
    assert.equal(stand.breaker.waitMs(), 20_000);
    stand.probe("probe");
    stand.fail("probe", { retryAfterMs: 3_600_000 });
    assert.equal(stand.breaker.waitMs(), 60_000);
  });
});

describe("of a failure the breaker says", () => {
  it("that it counts while others are answered, each time", () => {
    const stand = new Stand();
    for (let attempt = 1; attempt < 10; attempt += 1) {
      for (const sign of ["outage", "silence", "error"] as const)
        assert.deepEqual(stand.fail(sign, { attempt, sign }), { isCounted: true, leastWaitMs: 0 });
      stand.nowMs += 1;
      stand.answer("good");
    }
  });

  it("that an outage costs a request one attempt at most, however few they are, and lets them wait longer each time", () => {
    const stand = new Stand();
    stand.answer("good");
    const judgements = Array.from({ length: 5 }, () => {
      stand.nowMs += 10_000;
      return stand.fail("alone");
    });
    assert.deepEqual(
      judgements.map(({ isCounted }) => isCounted),
      [true, false, false, false, false],
    );
    assert.deepEqual(
      judgements.map(({ leastWaitMs }) => leastWaitMs),
      [0, 1_000, 2_000, 3_000, 3_000],
    );
  });

  for (const sign of ["outage", "silence"] as const)
    it(`that of all requests in an outage (${sign}) four lose an attempt`, () => {
      const stand = new Stand();
      stand.answer("good");
      const counted = Array.from({ length: 100 }, (_, request) => stand.fail(request, { sign, running: 50 }));
      assert.equal(counted.filter(({ isCounted }) => isCounted).length, 4);
      assert.equal(stand.breaker.state, "open");
    });

  it("that an error counts even while it is open: the target took the request", () => {
    const stand = new Stand();
    stand.open();
    assert.equal(stand.fail("late", { sign: "error" }).isCounted, true);
  });

  it("nothing of more than so many requests: it forgets the oldest", () => {
    const stand = new Stand();
    stand.fail("oldest");
    for (let request = 0; request < 1_024; request += 1) stand.fail(request);
    assert.equal(stand.fail("oldest").leastWaitMs, 1_000, "as at its first failure");
    assert.equal(stand.fail(1_023).leastWaitMs, 2_000);
  });
});

describe("a worker without resources", () => {
  const exhaust = (stand: Stand, request: string): Judgement => stand.breaker.exhausted(request as RequestId);

  it("pauses at once, counts nothing, and goes on when a probe ends well", () => {
    const stand = new Stand();
    assert.deepEqual(exhaust(stand, "a"), { isCounted: false, leastWaitMs: 1_000 });
    exhaust(stand, "b");
    assert.equal(stand.breaker.reason, "worker");
    assert.equal(stand.breaker.waitMs(), 1_000);
    stand.answer("on an open connection");
    assert.equal(stand.breaker.state, "open");
    stand.probe("c");
    exhaust(stand, "c");
    assert.equal(stand.breaker.waitMs(), 2_000);
    stand.probe("d");
    stand.answer("d");
    assert.equal(stand.breaker.state, "closed");
  });

  it("pauses when the store goes away with its attempts", () => {
    const stand = new Stand();
    for (let loss = 0; loss < 4; loss += 1) stand.breaker.storeLost("same" as RequestId);
    assert.equal(stand.breaker.state, "closed");
    stand.breaker.storeLost("same" as RequestId);
    assert.equal(stand.breaker.state, "open");
  });
});
