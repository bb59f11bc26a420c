import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Breaker } from "./breaker.ts";

function breaker(): { breaker: Breaker; move(ms: number): void } {
  let ms = 0;
  const clock = { now: () => ms, monotonic: () => ms };
  return {
    breaker: new Breaker({ clock, outagesMax: 3, pauseMs: 1_000, pauseMaxMs: 3_000 }),
    move: (by) => void (ms += by),
  };
}

function open(target: Breaker): void {
  for (let outage = 0; outage < 3; outage += 1) target.failed();
}

describe("the breaker", () => {
  it("opens after outages in a row, and an answer in between starts the count anew", () => {
    const { breaker: target } = breaker();
    target.failed();
    target.failed();
    target.answered();
    target.failed();
    target.failed();
    assert.equal(target.state, "closed");
    target.failed();
    assert.equal(target.state, "open");
    assert.equal(target.room(), 0);
  });

  it("lets one delivery probe after its pause, and closes on its success", () => {
    const { breaker: target, move } = breaker();
    open(target);
    move(999);
    assert.equal(target.room(), 0);
    move(1);
    assert.equal(target.room(), 1);
    target.started();
    assert.equal(target.room(), 0);
    target.answered();
    assert.equal(target.room(), Number.POSITIVE_INFINITY);
  });

  it("waits longer after each failed probe, up to its bound", () => {
    const { breaker: target, move } = breaker();
    open(target);
    const pauses = [1, 2, 3].map(() => {
      move(target.waitMs());
      target.started();
      target.failed();
      return target.waitMs();
    });
    assert.deepEqual(pauses, [2_000, 3_000, 3_000]);
  });

  it("does not push its probe back for deliveries that were under way when it opened", () => {
    const { breaker: target, move } = breaker();
    open(target);
    move(900);
    target.failed();
    assert.equal(target.waitMs(), 100);
  });

  it("is ready to probe again when a shutdown cut the probe off", () => {
    const { breaker: target, move } = breaker();
    open(target);
    move(1_000);
    target.started();
    target.unknown();
    assert.equal(target.room(), 1);
  });
});
