// Attempts at callbacks: the stored body is posted to the URL that its request named, signed anew for each attempt.
import { callbackOriginHeader, callbackUrlHeader, parseCallbackUrl } from "../core/callback.ts";
import type { Clock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import type { Content, StoredRequest } from "../core/request.ts";
import { webhookHeaders, type WebhookSecret } from "../core/webhook-signature.ts";
import type { AddressRule } from "../outbound/address-rule.ts";
import { isSuccess } from "../outbound/exchange.ts";
import { openOutbound } from "../outbound/outbound.ts";
import type { AttemptEnd, Runner } from "./runner.ts";
import { refused, unanswered } from "./target-runner.ts";

export interface CallbackRunnerOptions {
  /** Those that sign for a queue; none when it has lost them since. */
  readonly secretsOf: (queue: string) => readonly WebhookSecret[];
  /** Where callbacks may go. */
  readonly rule: AddressRule;
  /** To one receiver. */
  readonly connectionsMax: number;
  /** Of an answer; what is beyond is not read. */
  readonly answerBytesMax: number;
  /** What an attempt may take. */
  readonly timeoutMs: number;
  /** The longest wait that Retry-After gets. */
  readonly retryAfterMaxMs: number;
  readonly clock: Clock;
}

export function callbackRunner(options: CallbackRunnerOptions): Runner {
  const { secretsOf, rule, connectionsMax, answerBytesMax, timeoutMs, retryAfterMaxMs, clock } = options;
  const outbound = openOutbound({ rule, connectionsMax, bytesMax: answerBytesMax, timeoutMs });
  return {
    async run({ request }, { signal }): Promise<AttemptEnd> {
      const secrets = secretsOf(request.headers?.[callbackOriginHeader] ?? "");
      if (secrets.length === 0) return failed("bad-config", "its queue has no secret any more that could sign it");
      const url = urlOf(request);
      if (url instanceof SluiceError) return failed(url.code, url.message, { isRetryable: false });
      // Redirects are not followed: an answer of 3xx is a refusal.
      const { body } = request;
      const posted = await outbound.post({ url, headers: headersOf(request, { secrets, clock }), body, signal });
      if (posted.kind === "no-response") return ownFault(unanswered(posted, url));
      if (!isSuccess(posted.status)) return ownFault(await refused(posted, retryAfterMaxMs));
      return { kind: "done", result: resultOf(posted.status) };
    },
    close: () => outbound.close(),
  };
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
 * A receiver that is out says nothing of the others: no breaker minds it, and each attempt counts. That this worker is out of
 * its own resources says nothing of the receiver.
 */
function ownFault(end: Extract<AttemptEnd, { kind: "failed" }>): AttemptEnd {
  if (end.blame === "worker") return end;
  return { ...end, failure: { ...end.failure, isCounted: true }, blame: "request" };
}

function failed(code: string, message: string, { isRetryable = true } = {}): AttemptEnd {
  const failure = { code, message, isRetryable, isCounted: true, retryAfterMs: undefined };
  return { kind: "failed", failure, blame: "request" };
}
