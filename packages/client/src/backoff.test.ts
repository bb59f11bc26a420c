import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decideRepeat, defaultRepeatPolicy } from "./backoff.ts";

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

test("a wait beyond what a timer can hold is cut to that, never to none", () => {
  const patient = { ...policy, elapsedMaxMs: Number.POSITIVE_INFINITY };
  const input = { attempt: 1, elapsedMs: 0, retryAfterMs: 40 * 86_400_000, policy: patient, random: 0 };
  assert.deepEqual(decideRepeat(input), { kind: "repeat", afterMs: 2 ** 31 - 1 });
});
