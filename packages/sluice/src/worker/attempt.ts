// One attempt at a delivery, and what its end means. Decides only; the worker commits.
import type { Judgement } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import { decideRetry, type RetryPolicy } from "../core/retry.ts";
import type { Delivery, Outcome } from "../core/request.ts";
import type { Slots } from "../core/slots.ts";
import { crashPoint } from "../engine/crash-point.ts";
import type { RetryOptions, SettleResult } from "../engine/engine.ts";
import type { AttemptEnd, RunOptions, Runner } from "./runner.ts";

export interface AttemptOptions extends Omit<RunOptions, "signal"> {
  readonly runner: Runner;
  readonly timeoutMs: number;
  /** The attempts under way: each adds what cuts it off when the worker has to stop now. */
  readonly cutOffs: Slots<() => void>;
}

/** What the worker has to see to after an attempt. */
export type End =
  | AttemptEnd
  /** A shutdown cut it off: that is no attempt (I4). */
  | CutOff
  /** Its outcome is stored already, in one transaction with its effect. */
  | { readonly kind: "committed"; readonly result: SettleResult }
  /** The store went away with the transaction: it may be committed or undone. */
  | { readonly kind: "unknown"; readonly message: string };

interface CutOff {
  readonly kind: "cut-off";
}

type Cut = "timeout" | "stop";

/** Runs the handler or target once. */
export async function attempt(delivery: Delivery, options: AttemptOptions): Promise<AttemptEnd | CutOff> {
  const { runner, timeoutMs, progress, sql, cutOffs } = options;
  crashPoint("effect-pending");
  const limit = new AbortController();
  // A handler that ignores its signal must not hold the worker up: the cut ends the wait for it.
  const { promise: isCut, resolve: cut } = Promise.withResolvers<Cut>();
  const place = cutOffs.add(() => cut("stop"));
  const timer = setTimeout(cut, timeoutMs, "timeout");
  let isOver = false;
  const report = (reported: unknown): void => {
    if (!isOver) progress(reported); // later than its end nobody would take it back
  };
  const run = runner.run(delivery, { signal: limit.signal, progress: report, sql });
  try {
    const end = await Promise.race([run, isCut]);
    crashPoint("effect-made");
    if (typeof end !== "string") return end;
    run.catch(() => {}); // what becomes of it after the cut is nobody's any more
    limit.abort(new DOMException(end, end === "timeout" ? "TimeoutError" : "AbortError"));
    return end === "timeout" ? timedOut(timeoutMs) : { kind: "cut-off" };
  } finally {
    isOver = true;
    clearTimeout(timer);
    cutOffs.take(place);
  }
}

export const timeoutCode = "timeout";

function timedOut(timeoutMs: number): AttemptEnd {
  const message = `the attempt may take ${timeoutMs} ms and took longer`;
  const failure = { code: timeoutCode, message, isRetryable: true, isCounted: true, retryAfterMs: undefined };
  return { kind: "failed", failure, blame: "target" };
}

export interface VerdictOptions {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  readonly random: () => number;
  /** What the breaker makes of the failure; undefined where it has no say. */
  readonly judgement: Judgement | undefined;
}

/** What to commit. */
export type Verdict =
  | { readonly kind: "settle"; readonly outcome: Outcome }
  | { readonly kind: "retry"; readonly options: RetryOptions };

type Retry = Extract<Verdict, { kind: "retry" }>;

export const handedBack: Retry = {
  kind: "retry",
  options: { dueAt: 0, isCounted: false },
};

/** Hands a delivery back untouched. One that failed before goes on waiting as such: it is due now, not since ever. */
export function handBack(delivery: Delivery, clock: Clock): Retry {
  return delivery.isAgain ? { kind: "retry", options: { dueAt: clock.now(), isCounted: false } } : handedBack;
}

export function decideVerdict(
  delivery: Delivery,
  end: Exclude<End, { kind: "committed" }>,
  options: VerdictOptions,
): Verdict {
  // Where the end is unknown the claim tells: it is gone if the outcome is stored, and the hand-back refused (I3).
  const { policy, clock, random, judgement } = options;
  if (end.kind === "cut-off" || end.kind === "unknown") return asBegun(handBack(delivery, clock));
  if (end.kind === "done") return { kind: "settle", outcome: end };
  const isCounted = end.failure.isCounted && judgement?.isCounted !== false;
  const retryAfterMs = Math.max(end.failure.retryAfterMs ?? 0, judgement?.leastWaitMs ?? 0);
  const { code, message } = end.failure;
  const decision = decideRetry({
    failure: { ...end.failure, isCounted, retryAfterMs },
    attempt: delivery.attempt,
    acceptedAt: delivery.request.acceptedAt,
    now: clock.now(),
    policy,
    random: random(),
  });
  if (decision.kind === "dead") {
    const outcome = { kind: "dead", failure: { code, message }, response: end.response } as const;
    return { kind: "settle", outcome };
  }
  // What is to blame on the request itself, such as "retry later", its handler said.
  const hasBegun = end.failure.isCounted || end.blame === "request";
  return { kind: "retry", options: { dueAt: decision.dueAt, failure: { code, message }, isCounted, hasBegun } };
}

/** It uses no attempt, but may have had its effect: it does not expire any more. */
function asBegun({ kind, options }: Retry): Retry {
  return { kind, options: { ...options, hasBegun: true } };
}

/** What to commit instead of a verdict that the store cannot hold, in our words alone: the request must end (I10). */
export function deadByRefusal(error: unknown): Verdict | undefined {
  if (!(error instanceof SluiceError) || error.code !== "value-refused") return undefined;
  const failure = { code: error.code, message: error.message };
  return { kind: "settle", outcome: { kind: "dead", failure } };
}
