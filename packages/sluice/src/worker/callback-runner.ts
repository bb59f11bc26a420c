// Attempts at callbacks: the stored body is posted to the URL that its request named, signed anew for each attempt.
import { callbackOriginHeader, callbackUrlHeader, parseCallbackUrl } from "../core/callback.ts";
import type { Clock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import type { Content, StoredRequest } from "../core/request.ts";
import { webhookHeaders, type WebhookSecret } from "../core/webhook-signature.ts";
import type { AddressRule } from "../outbound/address-rule.ts";
import type { Logger } from "../telemetry/log.ts";
import { isSuccess } from "../outbound/exchange.ts";
import { openOutbound, type Posted } from "../outbound/outbound.ts";
import { Receivers, type NoPlace } from "./receivers.ts";
import type { AttemptEnd, Blame, Runner } from "./runner.ts";
import { refused, unanswered } from "./target-runner.ts";

export interface CallbackRunnerOptions {
  /** Those that sign for a queue; none when it has lost them since. */
  readonly secretsOf: (queue: string) => readonly WebhookSecret[];
  /** Where callbacks may go. */
  readonly rule: AddressRule;
  /** Attempts at once, over all receivers. */
  readonly concurrency: number;
  /** Of an answer; what is beyond is not read. */
  readonly answerBytesMax: number;
  /** What an attempt may take. */
  readonly timeoutMs: number;
  /** The longest wait that Retry-After gets. */
  readonly retryAfterMaxMs: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
}

export function callbackRunner(options: CallbackRunnerOptions): Runner {
  const { secretsOf, rule, concurrency, answerBytesMax, timeoutMs, retryAfterMaxMs, clock } = options;
  const outbound = openOutbound({ rule, connectionsMax: concurrency, bytesMax: answerBytesMax, timeoutMs });
  const receivers = new Receivers(options);
  return {
    async run(delivery, { signal }): Promise<AttemptEnd> {
      const { request } = delivery;
      const secrets = secretsOf(request.headers?.[callbackOriginHeader] ?? "");
      if (secrets.length === 0) return failed("bad-config", "its queue has no secret any more that could sign it");
      const url = urlOf(request);
      if (url instanceof SluiceError) return failed(url.code, url.message, { isRetryable: false });
      if (receivers.isGone(url)) return gone(url);
      const receiver = receivers.of(url);
      const refusal = await receiver.enter(delivery);
      if (refusal !== undefined) return laterTo(url, refusal);
      const call = { url, headers: headersOf(request, { secrets, clock }), body: request.body, signal };
      let end: AttemptEnd | undefined;
      try {
        const posted = await outbound.post(call); // redirects are not followed: an answer of 3xx is a refusal
        end = await endOf(posted, url);
        if (posted.kind === "response" && posted.status === goneStatus) {
          receivers.noteGone(url);
          return gone(url);
        }
        return end.kind === "failed" ? ownFault(end) : end;
      } catch (error) {
        if (isTimeout(signal)) end = failed("timeout", "it did not answer in time", { blame: "target" });
        throw error;
      } finally {
        receiver.left(delivery, end);
      }
    },
    close: () => outbound.close(),
  };

  async function endOf(posted: Posted, url: URL): Promise<AttemptEnd> {
    if (posted.kind === "no-response") return unanswered(posted, url);
    if (!isSuccess(posted.status)) return refused(posted, retryAfterMaxMs);
    return { kind: "done", result: resultOf(posted.status) };
  }
}

const goneStatus = 410;

function gone({ origin }: URL): AttemptEnd {
  const message = `${origin} answered 410 to a callback: this URL gets no more of them for a day`;
  return failed("callback-gone", message, { isRetryable: false, isCounted: false });
}

/** No attempt: nothing was sent (I4). */
function laterTo({ host }: URL, { why, retryMs }: NoPlace): AttemptEnd {
  return failed("receiver-busy", `${host} ${why}`, { isCounted: false, retryAfterMs: retryMs });
}

function isTimeout({ aborted, reason }: AbortSignal): boolean {
  return aborted && reason instanceof DOMException && reason.name === "TimeoutError";
}

interface Signing {
  readonly secrets: readonly WebhookSecret[];
  readonly clock: Clock;
}

function headersOf({ id, contentType, body }: StoredRequest, { secrets, clock }: Signing): Record<string, string> {
  const timestamp = Math.floor(clock.now() / 1_000);
  return {
    "content-type": contentType,
    "user-agent": "Sluice",
    "accept-encoding": "identity",
    ...webhookHeaders({ id, timestamp, body }, secrets),
  };
}

function urlOf({ headers }: StoredRequest): URL | SluiceError {
  try {
    return parseCallbackUrl(headers?.[callbackUrlHeader] ?? "");
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
}

/** Whatever the receiver said besides its status is of no use to anybody. */
function resultOf(status: number): Content {
  return { contentType: "application/json", bytes: Buffer.from(JSON.stringify({ status })) };
}

/**
 * A receiver that is out says nothing of the others: the breaker of its host minds it, the queue's does not, and each attempt
 * counts. That this worker is out of its own resources says nothing of the receiver.
 */
function ownFault(end: Extract<AttemptEnd, { kind: "failed" }>): AttemptEnd {
  if (end.blame === "worker") return end;
  return { ...end, failure: { ...end.failure, isCounted: true }, blame: "request" };
}

interface FailedOptions {
  readonly isRetryable?: boolean;
  readonly isCounted?: boolean;
  readonly retryAfterMs?: number;
  readonly blame?: Blame;
}

function failed(code: string, message: string, options: FailedOptions = {}): AttemptEnd {
  const { isRetryable = true, isCounted = true, retryAfterMs, blame = "request" } = options;
  return { kind: "failed", failure: { code, message, isRetryable, isCounted, retryAfterMs }, blame };
}
