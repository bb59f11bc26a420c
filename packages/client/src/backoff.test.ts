import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decideRepeat, defaultRepeatPolicy, parseRetryAfterMs } from "./backoff.ts";

const policy = defaultRepeatPolicy;

test("a repeat waits at least Retry-After, at most the backoff's ceiling beyond it, and ends in time", () => {
  const input = fc.record({
    attempt: fc.integer({ min: 1, max: 20 }),
    elapsedMs: fc.integer({ min: 0, max: 200_000 }),
    retryAfterMs: fc.option(fc.integer({ min: 0, max: 200_000 }), { nil: undefined }),
    random: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
  });
  fc.assert(
    fc.property(input, ({ attempt, elapsedMs, retryAfterMs, random }) => {
      const decision = decideRepeat({ attempt, elapsedMs, retryAfterMs, policy, random });
      if (decision.kind === "give-up") return;
      assert.ok(attempt < policy.attemptsMax);
      assert.ok(decision.afterMs >= (retryAfterMs ?? 0));
      assert.ok(decision.afterMs <= Math.max(policy.backoffMaxMs, retryAfterMs ?? 0));
      assert.ok(elapsedMs + decision.afterMs <= policy.elapsedMaxMs);
    }),
  );
});

test("Retry-After is read as seconds and as a date", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(parseRetryAfterMs("7", now), 7_000);
  assert.equal(parseRetryAfterMs("Thu, 01 Jan 2026 00:00:30 GMT", now), 30_000);
  assert.equal(parseRetryAfterMs("Thu, 01 Jan 2025 00:00:30 GMT", now), 0);
  assert.equal(parseRetryAfterMs("soon", now), undefined);
  assert.equal(parseRetryAfterMs(null, now), undefined);
});
