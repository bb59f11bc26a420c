// One call of the API over fetch: attempts it again where that is safe, and sorts what went wrong.
import { decideRepeat, type RepeatDecision, type RepeatPolicy } from "./backoff.ts";
import { SluiceClientError } from "./errors.ts";
import { Result } from "./result.ts";
import { parseRetryAfter } from "./retry-after.ts";
import type { WireProblem } from "./wire.ts";

export interface TransportOptions {
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly fetch: typeof fetch;
  readonly policy: RepeatPolicy;
}

export interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | string | undefined;
  /** How long the server is asked to hold its answer back. */
  readonly waitSeconds?: number | undefined;
  /** Whether the call may be made again when no answer came: it has a key, or changes nothing. */
  readonly isRepeatable: boolean;
  /** Named in the error, so that the caller can go on with it. */
  readonly key?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly content: Result;
}

type Attempt =
  | { readonly kind: "answer"; readonly answer: Answer }
  /** The server did nothing and says so. */
  | { readonly kind: "unavailable"; readonly answer: Answer }
  /** Whether the server did it is not known. */
  | { readonly kind: "unknown"; readonly answer: Answer }
  | { readonly kind: "no-answer"; readonly cause: unknown };

type FailedAttempt = Exclude<Attempt, { kind: "answer" }>;

export class Transport {
  readonly #options: TransportOptions;
  readonly #url: string;

  constructor(options: TransportOptions) {
    this.#options = options;
    this.#url = new URL(options.url).href.replace(/\/+$/, "");
  }

  /** The answer of a call that went well; throws a SluiceClientError otherwise. */
  async call(call: Call): Promise<Answer> {
    const headers = this.#headersOf(call); // throws here, not as a lost answer, when one cannot be sent
    const startedAt = performance.now();
    let isUnknown = false;
    for (let attempt = 1; ; attempt += 1) {
      const result = await this.#attempt(call, headers);
      if (result.kind === "answer") return successOf(result.answer, call);
      isUnknown ||= result.kind !== "unavailable";
      const mayRepeat = call.isRepeatable || result.kind === "unavailable";
      const elapsedMs = performance.now() - startedAt;
      const decision = mayRepeat ? this.#decide(result, { attempt, elapsedMs }) : giveUp;
      if (decision.kind === "give-up") throw this.#failureOf(result, { call, attempt, isUnknown });
      await pause(decision.afterMs, call.signal);
    }
  }

  #decide(failed: FailedAttempt, { attempt, elapsedMs }: Effort): RepeatDecision {
    const { policy } = this.#options;
    return decideRepeat({
      attempt,
      elapsedMs,
      retryAfterMs: retryAfterMsOf(failed),
      policy,
      random: Math.random(),
    });
  }

  async #attempt(call: Call, headers: Headers): Promise<Attempt> {
    call.signal?.throwIfAborted();
    const timeoutMs = this.#options.policy.attemptTimeoutMs + (call.waitSeconds ?? 0) * 1_000;
    const limit = new AbortController(); // AbortSignal.timeout would hold on to the call until its time is over
    const timer = setTimeout(
      () => limit.abort(new Error(`no answer within ${timeoutMs} ms`)),
      Math.min(timeoutMs, timerMsMax),
    );
    const signal = call.signal === undefined ? limit.signal : AbortSignal.any([call.signal, limit.signal]);
    try {
      const response = await this.#options.fetch(this.#url + call.path, {
        method: call.method,
        headers,
        body: call.body ?? null,
        signal,
      });
      const bytes = new Uint8Array(await response.arrayBuffer());
      const content = new Result({
        contentType: response.headers.get("content-type") ?? "",
        bytes,
      });
      return sort({ status: response.status, headers: response.headers, content });
    } catch (cause) {
      call.signal?.throwIfAborted();
      return { kind: "no-answer", cause };
    } finally {
      clearTimeout(timer);
    }
  }

  #headersOf({ headers, waitSeconds }: Call): Headers {
    const { apiKey } = this.#options;
    const all = new Headers(headers);
    if (waitSeconds !== undefined) all.set("prefer", `wait=${waitSeconds}`);
    if (apiKey !== undefined) all.set("authorization", `Bearer ${apiKey}`);
    return all;
  }

  #failureOf(failed: FailedAttempt, { call, attempt, isUnknown }: GiveUp): SluiceClientError {
    const tries = attempt === 1 ? "" : ` after ${attempt} attempts`;
    const advice =
      isUnknown && call.key !== undefined ? `; it may have been accepted: try again with key ${call.key}` : "";
    if (failed.kind === "no-answer") {
      return new SluiceClientError(`no answer from ${this.#url}${tries}: ${reasonOf(failed.cause)}${advice}`, {
        kind: "unknown",
        code: "unreachable",
        key: call.key,
        cause: failed.cause,
      });
    }
    const problem = problemOf(failed.answer);
    return new SluiceClientError(`${describe(failed.answer, problem)}${tries}${advice}`, {
      kind: isUnknown ? "unknown" : "unavailable",
      code: problem?.code ?? "unavailable",
      status: failed.answer.status,
      problem,
      key: call.key,
      retryAfterSeconds: retryAfterSecondsOf(failed.answer),
    });
  }
}

const giveUp: RepeatDecision = { kind: "give-up" };

interface Effort {
  readonly attempt: number;
  readonly elapsedMs: number;
}

interface GiveUp {
  readonly call: Call;
  readonly attempt: number;
  /** Whether any of the attempts may have been carried out. */
  readonly isUnknown: boolean;
}

function sort(answer: Answer): Attempt {
  const { status } = answer;
  if (status === 503 || status === 429 || status === 408) return { kind: "unavailable", answer };
  if (status >= 500 && problemOf(answer)?.code !== "dead") return { kind: "unknown", answer };
  return { kind: "answer", answer };
}

function successOf(answer: Answer, call: Call): Answer {
  if (answer.status >= 200 && answer.status < 300) return answer;
  const problem = problemOf(answer);
  const code = problem?.code ?? "refused";
  throw new SluiceClientError(describe(answer, problem), {
    kind: code === "dead" ? "dead" : "refused",
    code,
    status: answer.status,
    problem,
    key: call.key,
    retryAfterSeconds: retryAfterSecondsOf(answer),
  });
}

/** The JSON of an answer; its shape is the contract's. */
export function jsonOf({ status, content }: Answer): unknown {
  try {
    return content.json();
  } catch (cause) {
    const message = `expected JSON from the server, got status ${status} with "${content.contentType}": is it a Sluice gateway?`;
    throw new SluiceClientError(message, { kind: "refused", code: "bad-answer", status, cause });
  }
}

function problemOf({ content }: Answer): WireProblem | undefined {
  if (!content.contentType.startsWith("application/problem+json")) return undefined;
  try {
    return content.json() as WireProblem;
  } catch {
    return undefined; // a proxy's cut-off page says no more than its status
  }
}

function describe({ status }: Answer, problem: WireProblem | undefined): string {
  if (problem === undefined) return `the server answered with status ${status}`;
  return `${problem.detail} (${problem.error?.code ?? problem.code})`;
}

function retryAfterMsOf(failed: FailedAttempt): number | undefined {
  if (failed.kind === "no-answer") return undefined;
  return parseRetryAfter(failed.answer.headers.get("retry-after"), Date.now());
}

function retryAfterSecondsOf({ headers }: Answer): number | undefined {
  const ms = parseRetryAfter(headers.get("retry-after"), Date.now());
  return ms === undefined ? undefined : Math.ceil(ms / 1_000);
}

/** fetch hides the reason in its cause; an attempt on several addresses hides it one deeper. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.cause !== undefined) return reasonOf(error.cause);
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  return error.message === "" ? error.name : error.message;
}

/** A timer that is to take longer fires at once. */
const timerMsMax = 2 ** 31 - 1;

/** Waits, and throws the signal's reason if it aborts first. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(
      () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
      Math.min(ms, timerMsMax),
    );
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
