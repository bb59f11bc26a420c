// Attempts run by service B: the stored body is posted to its URL.
import type { IncomingHttpHeaders } from "undici/types/header.js";
import type { Clock } from "../core/clock.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import { connectionNames, type HeaderRule } from "../core/header-names.ts";
import { anyBytes, isMediaType } from "../core/media-type.ts";
import type { Delivery, Result, StoredRequest } from "../core/request.ts";
import { parseRetryAfter } from "../core/retry-after.ts";
import type { ResponseHead } from "../core/stored-head.ts";
import { webhookHeaders } from "../core/webhook-signature.ts";
import { codingsOf, decodeContent } from "../outbound/content-coding.ts";
import type { Response, Wanted } from "../outbound/exchange.ts";
import { openOutbound, type Posted } from "../outbound/outbound.ts";
import { isAboutContent, placeOf, usualEndOf, type Target, type TargetEnd } from "../outbound/target.ts";
import type { AttemptEnd, Runner } from "./runner.ts";

export interface TargetRunnerOptions {
  readonly target: Target;
  readonly connectionsMax: number;
  readonly resultBytesMax: number;
  /** What an attempt may take. */
  readonly timeoutMs: number;
  /** The longest wait that Retry-After gets. */
  readonly retryAfterMaxMs: number;
  readonly clock: Clock;
}

/** The target, or what stands before it, takes nothing at all now. */
const outageStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** What this process or host has run out of. */
const ownResourceCodes: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS", "ENOMEM"]);
/** undici takes no such header: no attempt can ever be made. */
const unsendableCodes: ReadonlySet<string> = new Set(["UND_ERR_INVALID_ARG", "UND_ERR_NOT_SUPPORTED"]);

export function targetRunner(options: TargetRunnerOptions): Runner {
  const { target, connectionsMax, resultBytesMax, timeoutMs, retryAfterMaxMs, clock } = options;
  const { url, rule, tls, endOf } = target;
  const wants = (status: number): Wanted => (endOf(status) === "done" ? "result" : "excerpt");
  const frontWants = (status: number): Wanted => wantedBy[endOf(status)];
  const outbound = openOutbound({ rule, tls, connectionsMax, bytesMax: resultBytesMax, timeoutMs });
  return {
    async run(delivery, { signal }): Promise<AttemptEnd> {
      const { request } = delivery;
      const place = placeOrRefusal(target, request);
      if (place instanceof SluiceError) return unsendable(place.message);
      const headers = headersOf(delivery, target, clock);
      const call = { url, ...place, headers, body: request.body, signal };
      const posted = await outbound.post({ ...call, wants: isOfFront(request) ? frontWants : wants });
      if (posted.kind === "no-response") return unanswered(posted, url);
      const end = endOf(posted.status);
      if (end !== "done") return refusedBy(posted, { end, delivery, target, resultBytesMax, retryAfterMaxMs });
      if (posted.isCut) return tooLarge(resultBytesMax);
      const result = await resultOf(posted, keepsOf(target, delivery), resultBytesMax);
      return "contentType" in result ? { kind: "done", result } : result;
    },
    close: () => outbound.close(),
  };
}

function isOfFront({ method }: StoredRequest): boolean {
  return method !== undefined;
}

const wantedBy = { done: "result", dead: "refusal", retry: "excerpt" } as const satisfies Record<TargetEnd, Wanted>;

function placeOrRefusal(target: Target, request: StoredRequest): ReturnType<typeof placeOf> | SluiceError {
  try {
    return placeOf(target, request);
  } catch (error) {
    if (error instanceof SluiceError) return error;
    throw error;
  }
}

function headersOf({ request, attempt }: Delivery, target: Target, clock: Clock): Record<string, string> {
  const { id, body, contentType } = request;
  const headers: Record<string, string> = {};
  for (const name in request.headers) if (target.forwards(name)) headers[name] = request.headers[name] as string;
  // A sender who named no type sent no body either, and its target may mind one.
  if (!isOfFront(request) || body.byteLength > 0 || contentType !== anyBytes) headers["content-type"] = contentType;
  if (target.secrets.length > 0)
    Object.assign(headers, webhookHeaders({ id, timestamp: Math.floor(clock.now() / 1_000), body }, target.secrets));
  return Object.assign(headers, target.headers, {
    "accept-encoding": "identity",
    "idempotency-key": id,
    "sluice-request-id": id,
    "sluice-attempt": String(attempt),
  });
}

function keepsOf({ keepsHeader }: Target, { request }: Delivery): HeaderRule | undefined {
  return keepsHeader ?? (isOfFront(request) ? everyHeader : undefined);
}

const everyHeader: HeaderRule = () => true;

/** The response as the target meant it: without the codings that it was told not to use. */
async function resultOf(
  { status, headers, bytes }: Response,
  keeps: HeaderRule | undefined,
  bytesMax: number,
): Promise<Result | Failed> {
  const head = headOf(status, headers, keeps);
  const contentType = contentTypeOf(headers);
  const coding = headers["content-encoding"];
  if (coding === undefined) return { contentType, bytes, ...head };
  const decoded = await decodeContent(bytes, codingsOf(coding), { bytesMax });
  switch (decoded.kind) {
    case "decoded":
      return { contentType, bytes: decoded.bytes, ...head };
    case "unknown":
      // The target has done its part. What it sent is kept, and is not of the type that it would have without its coding.
      return { contentType: "application/octet-stream", bytes, ...head };
    case "too-large":
      return tooLarge(bytesMax);
    case "damaged": {
      const message = `the target responded ${status} with a body that is no ${decoded.coding}: ${decoded.message}`;
      return failed({ code: "target-encoding", message, isRetryable: true }, "target");
    }
    default:
      return decoded satisfies never;
  }
}

/** Nothing is kept of a plain 200. */
function headOf(status: number, headers: IncomingHttpHeaders, keeps: HeaderRule | undefined): ResponseHead {
  let kept: Record<string, string | string[]> | undefined;
  if (keeps !== undefined) {
    const ofConnection = connectionNames(["connection", [headers.connection ?? ""].flat().join()]);
    for (const name in headers) {
      const value = headers[name];
      if (value === undefined || ofConnection?.has(name) || !isAboutContent(name) || !keeps(name)) continue;
      (kept ??= {})[name] = value;
    }
  }
  return status === 200 && kept === undefined ? {} : { status, headers: kept };
}

interface Refused {
  readonly end: "retry" | "dead";
  readonly delivery: Delivery;
  readonly target: Target;
  readonly resultBytesMax: number;
  readonly retryAfterMaxMs: number;
}

/** A refusal for good is kept for a sender of the front, who may wait for it, if all of it came. */
async function refusedBy(
  response: Response,
  { end, delivery, target, resultBytesMax, retryAfterMaxMs }: Refused,
): Promise<Failed> {
  const refusal = await refused(response, retryAfterMaxMs, end);
  if (end === "retry" || response.isCut || !isOfFront(delivery.request)) return refusal;
  const kept = await resultOf(response, keepsOf(target, delivery), resultBytesMax);
  return "contentType" in kept ? { ...refusal, response: { ...kept, status: response.status } } : refusal;
}

function contentTypeOf(headers: IncomingHttpHeaders): string {
  const contentType = headers["content-type"];
  return typeof contentType === "string" && isMediaType(contentType) ? contentType : "application/octet-stream";
}

type Failed = Extract<AttemptEnd, { kind: "failed" }>;

export async function refused(
  response: Response,
  retryAfterMaxMs: number,
  end: TargetEnd = usualEndOf(response.status),
): Promise<Failed> {
  const { status, headers } = response;
  const isRetryable = end === "retry";
  const excerpt = await excerptOf(response);
  const askedMs = parseRetryAfter(headers["retry-after"], Date.now());
  return failed(
    {
      code: "target-status",
      message: `the target answered ${status}${excerpt === "" ? "" : `: ${excerpt}`}`,
      isRetryable,
      retryAfterMs: askedMs === undefined ? undefined : Math.min(askedMs, retryAfterMaxMs),
    },
    !isRetryable ? "request" : outageStatuses.has(status) ? "outage" : status >= 500 ? "target" : "request",
  );
}

const excerptLength = 500;
/** What no text holds: control characters, and what is no UTF-8. */
const noText = /[^\P{Cc}\r\n\t]|\uFFFD/gu;

/** The beginning of an error's body, as text that may be stored; empty if it is no text. */
async function excerptOf({ headers, bytes, isCut }: Response): Promise<string> {
  const decoded = await decodeContent(bytes, codingsOf(headers["content-encoding"] ?? ""), { bytesMax: 65_536, isCut });
  if (decoded.kind !== "decoded") return "";
  const start = new TextDecoder().decode(decoded.bytes.subarray(0, 4 * excerptLength));
  const text = start.slice(0, excerptLength).toWellFormed();
  const strange = text.match(noText)?.length ?? 0;
  return strange > text.length / 10 ? "" : text.replaceAll(noText, "\uFFFD");
}

function tooLarge(bytesMax: number): Failed {
  const message = `the target's answer may have ${bytesMax} bytes, it has more`;
  return failed({ code: "result-too-large", message, isRetryable: false }, "request");
}

export function unanswered(posted: Extract<Posted, { kind: "no-response" }>, url: URL): Failed {
  const { error, isSent, isConnected } = posted;
  const code = "code" in error ? String(error.code) : "";
  const why = messageOf(error) || code;
  if (!isSent && unsendableCodes.has(code)) {
    return unsendable(`the request cannot be sent to ${url.origin}: ${why}`);
  }
  if (!isConnected && ownResourceCodes.has(code)) {
    const message = `this worker cannot connect to ${url.origin}, for want of its own resources: ${why}`;
    return failed({ code: "unreachable", message, isRetryable: true, isCounted: false }, "worker");
  }
  return failed(
    {
      code: code === "address-refused" ? code : "unreachable",
      message: `${url.origin} ${isConnected ? "broke off" : "cannot be reached"}: ${why}`,
      isRetryable: true,
      isCounted: isSent, // I4
    },
    isConnected ? "target" : "outage",
  );
}

function unsendable(message: string): Failed {
  return failed({ code: "unsendable", message, isRetryable: false, isCounted: false }, "request");
}

type Failing = Partial<Failed["failure"]> & Pick<Failed["failure"], "code" | "message" | "isRetryable">;

function failed(failure: Failing, blame: Failed["blame"]): Failed {
  return { kind: "failed", failure: { isCounted: true, retryAfterMs: undefined, ...failure }, blame };
}
