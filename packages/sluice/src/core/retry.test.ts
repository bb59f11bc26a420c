import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decideRetry, defaultRetryPolicy, type AttemptFailure, type RetryInput, type RetryPolicy } from "./retry.ts";

const acceptedAt = Date.UTC(2026, 0, 2);
const failure: AttemptFailure = {
  code: "handler-threw",
  message: "no",
  isRetryable: true,
  isCounted: true,
  retryAfterMs: undefined,
};
const policy: RetryPolicy = {
  attemptsMax: 5,
  backoffMs: 1_000,
  backoffMaxMs: 60_000,
  retryAfterMaxMs: 60_000,
  ageMaxMs: 3_600_000,
};
const first: RetryInput = { failure, attempt: 1, acceptedAt, now: acceptedAt + 10, policy, random: 0.5 };

const chance = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const anyPolicy: fc.Arbitrary<RetryPolicy> = fc
  .record({
    attemptsMax: fc.integer({ min: 1, max: 100 }),
    backoffMs: fc.integer({ min: 1, max: 60_000 }),
    slack: fc.nat({ max: 3_600_000 }),
    ageMaxMs: fc.integer({ min: 1, max: 60 * 86_400_000 }),
  })
  .map(({ slack, ...rest }) => {
    const backoffMaxMs = rest.backoffMs + slack;
    return { ...rest, backoffMaxMs, retryAfterMaxMs: backoffMaxMs };
  });
const anyInput: fc.Arbitrary<RetryInput> = fc.record({
  failure: fc.record({
    code: fc.constant("timeout"),
    message: fc.constant("too slow"),
    isRetryable: fc.boolean(),
    isCounted: fc.boolean(),
    retryAfterMs: fc.option(fc.nat({ max: 90 * 86_400_000 }), { nil: undefined }),
  }),
  attempt: fc.integer({ min: 1, max: 200 }),
  acceptedAt: fc.constant(acceptedAt),
  now: fc.nat({ max: 90 * 86_400_000 }).map((age) => acceptedAt + age),
  policy: anyPolicy,
  random: chance,
});

function waitMs(input: RetryInput): number {
  const decision = decideRetry(input);
  assert.equal(decision.kind, "retry");
  return decision.dueAt - input.now;
}

test("a retry is due in the future, in whole milliseconds, and within the age limit", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const decision = decideRetry(input);
      if (decision.kind === "dead") return;
      assert.ok(Number.isInteger(decision.dueAt));
      assert.ok(decision.dueAt > input.now);
      assert.ok(decision.dueAt - input.acceptedAt <= input.policy.ageMaxMs);
    }),
  );
});

test("the wait is at most the doubled backoff or its bound, and at least what was asked for, up to the age limit", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const decision = decideRetry(input);
      if (decision.kind === "dead") return;
      const { backoffMs, backoffMaxMs } = input.policy;
      const leftMs = input.acceptedAt + input.policy.ageMaxMs - input.now;
      const askedMs = Math.min(input.failure.retryAfterMs ?? 0, leftMs);
      const ceilingMs = Math.min(backoffMs * 2 ** (input.attempt - 1), backoffMaxMs);
      const wait = decision.dueAt - input.now;
      assert.ok(wait >= askedMs, `waits ${wait}, asked for ${askedMs}`);
      assert.ok(wait <= Math.max(1, ceilingMs, askedMs), `waits ${wait} of ${ceilingMs}`);
    }),
  );
});

test("a failure that no attempt can mend, or the last counted one, is dead; a lasting one is retried", () => {
  fc.assert(
    fc.property(anyInput, (input) => {
      const { isRetryable, isCounted } = input.failure;
      const isExhausted = isCounted && input.attempt >= input.policy.attemptsMax;
      if (!isRetryable || isExhausted) assert.deepEqual(decideRetry(input), { kind: "dead" });
    }),
  );
});

test("a retryable failure within all limits is never dead", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), chance, (attempt, random) => {
      assert.equal(decideRetry({ ...first, attempt, random }).kind, "retry");
    }),
  );
});

test("the fifth of five attempts is the last one", () => {
  assert.equal(decideRetry({ ...first, attempt: 4 }).kind, "retry");
  assert.equal(decideRetry({ ...first, attempt: 5 }).kind, "dead");
});

test("an attempt that does not count never exhausts a request (I4)", () => {
  assert.equal(decideRetry({ ...first, attempt: 5, failure: { ...failure, isCounted: false } }).kind, "retry");
});

test("the jitter is full: any wait up to the ceiling comes up, and the ceiling doubles", () => {
  assert.equal(waitMs({ ...first, random: 0 }), 1);
  assert.equal(waitMs({ ...first, random: 0.5 }), 500);
  assert.equal(waitMs({ ...first, attempt: 3, random: 0.999_999 }), 4_000);
  const many = { ...policy, attemptsMax: 1_000 };
  assert.equal(waitMs({ ...first, attempt: 900, policy: many, random: 0.999_999 }), 60_000);
});

test("a wait that was asked for goes before a shorter backoff", () => {
  const asked = (retryAfterMs: number): RetryInput => ({ ...first, failure: { ...failure, retryAfterMs } });
  assert.equal(waitMs(asked(90_000)), 90_000);
  assert.equal(waitMs(asked(3)), 500);
});

test("the age limit is met to the millisecond", () => {
  const backoff = 500;
  const last = acceptedAt + policy.ageMaxMs - backoff;
  assert.equal(decideRetry({ ...first, now: last }).kind, "retry");
  assert.equal(decideRetry({ ...first, now: last + 1 }).kind, "dead");
});

test("a wait that was asked for never makes a request dead: the age limit cuts it short", () => {
  const leftMs = policy.ageMaxMs - 10;
  for (const retryAfterMs of [policy.ageMaxMs, 40 * 86_400_000, 2 ** 50])
    assert.equal(waitMs({ ...first, failure: { ...failure, retryAfterMs } }), leftMs);
  fc.assert(
    fc.property(anyInput, (input) => {
      const unasked = { ...input, failure: { ...input.failure, retryAfterMs: undefined } };
      assert.equal(decideRetry(input).kind, decideRetry(unasked).kind);
    }),
  );
});

test("by default the last of twenty attempts is due within two hours of failing", () => {
  let elapsedMs = 0;
  for (let attempt = 1; attempt < defaultRetryPolicy.attemptsMax; attempt += 1) {
    elapsedMs += waitMs({ ...first, attempt, policy: defaultRetryPolicy, random: 0.999_999 });
  }
  assert.ok(elapsedMs <= 120 * 60_000, `${elapsedMs} ms`);
});
