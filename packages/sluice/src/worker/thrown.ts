// What a handler threw, as a failure. Anything can be thrown: no property of it is trusted, and none is read twice.
import { messageOf } from "../core/errors.ts";
import type { AttemptFailure } from "../core/retry.ts";
import { verdict } from "./handler.ts";

const delayMsMax = 365 * 86_400_000;

export function failureOf(thrown: unknown): AttemptFailure {
  const message = messageOf(thrown) || "the handler threw an empty text";
  switch (memberOf(thrown, verdict)) {
    case "reject":
      return { ...plain, code: "rejected", message, isRetryable: false };
    case "retry-later":
      return retryLater(memberOf(thrown, "delayMs"), message);
    default:
      return { ...plain, code: "handler-threw", message };
  }
}

const plain = { isRetryable: true, isCounted: true, retryAfterMs: undefined } as const;

function retryLater(delayMs: unknown, message: string): AttemptFailure {
  if (typeof delayMs !== "number" || !(delayMs >= 0 && delayMs <= delayMsMax)) {
    const rule = `RetryLater takes a delay from 0 ms to a year, got ${messageOf(delayMs)}`;
    return { ...plain, code: "handler-threw", message: rule };
  }
  return { ...plain, code: "retry-later", message, isCounted: false, retryAfterMs: Math.ceil(delayMs) };
}

function memberOf(thrown: unknown, name: string | symbol): unknown {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  try {
    return (thrown as Readonly<Record<string | symbol, unknown>>)[name];
  } catch {
    return undefined; // a getter or a proxy that throws
  }
}
