import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RetryShare } from "./retry-share.ts";

class Stand {
  nowMs = 1;
  readonly share: RetryShare;

  constructor(concurrency: number) {
    this.share = new RetryShare({ concurrency, clock: { now: () => this.nowMs, monotonic: () => this.nowMs } });
  }

  retry(): void {
    this.share.claimed();
    this.share.started({ isRetry: true });
  }

  others(count: number): void {
    for (let n = 0; n < count; n += 1) this.share.started({ isRetry: false });
  }
}

describe("the share of requests that failed before", () => {
  it("is one start in twenty-five while others wait", () => {
    const stand = new Stand(100);
    assert.equal(stand.share.bounds().first, 1);
    stand.retry();
    stand.share.released(0);
    assert.equal(stand.share.bounds().first, 0);
    stand.others(23);
    assert.equal(stand.share.bounds().first, 0);
    stand.others(2);
    assert.equal(stand.share.bounds().first, 1);
  });

  it("is one place in twenty-five while others wait", () => {
    const stand = new Stand(50);
    stand.others(1_000);
    assert.equal(stand.share.bounds().first, 2);
    stand.retry();
    assert.equal(stand.share.bounds().first, 1);
    stand.retry();
    assert.equal(stand.share.bounds().first, 0);
  });

  it("is less than a place where there are few: it rests for as long as it was not entitled to", () => {
    const stand = new Stand(5);
    stand.others(1_000);
    stand.retry();
    stand.nowMs += 2_000;
    stand.share.released(2_000);
    stand.nowMs += 7_999;
    assert.equal(stand.share.bounds().first, 0);
    stand.nowMs += 1;
    assert.equal(stand.share.bounds().first, 1);
  });

  it("rests for the longest of those that ended, not for the last", () => {
    const stand = new Stand(5);
    stand.others(1_000);
    stand.retry();
    stand.retry();
    stand.nowMs += 2_000;
    stand.share.released(2_000);
    stand.share.released(10);
    stand.nowMs += 7_999;
    assert.equal(stand.share.bounds().first, 0);
    stand.nowMs += 1;
    assert.equal(stand.share.bounds().first, 1);
  });

  it("never takes the last quarter of the places, except where there is one place", () => {
    const most = (concurrency: number): number => new Stand(concurrency).share.bounds().most;
    assert.deepEqual([1, 2, 3, 4, 16].map(most), [1, 1, 2, 3, 12]);
  });

  it("has bounds that fit each other, whatever happens", () => {
    const steps = fc.array(fc.constantFrom("retry", "other", "end", "time"), { maxLength: 200 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), steps, (concurrency, taken) => {
        const stand = new Stand(concurrency);
        let held = 0;
        for (const step of taken) {
          if (step === "retry" && stand.share.bounds().most > 0) {
            stand.retry();
            held += 1;
          } else if (step === "other") stand.others(1);
          else if (step === "time") stand.nowMs += 100;
          else if (step === "end" && held > 0) {
            stand.share.released(50);
            held -= 1;
          }
          const { first, most } = stand.share.bounds();
          assert.ok(first >= 0 && first <= most && most + held <= concurrency, `${first} of ${most}, ${held} held`);
        }
      }),
    );
  });
});
