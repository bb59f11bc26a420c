// Attempts run by service B: the stored body is posted to its URL.
import type { IncomingHttpHeaders } from "undici/types/header.js";
import { messageOf } from "../core/errors.ts";
import type { Delivery } from "../core/request.ts";
import { parseRetryAfter } from "../core/retry-after.ts";
import { isMediaType } from "../core/media-type.ts";
import type { AddressRule } from "../outbound/address-rule.ts";
import { codingsOf, decodeContent } from "../outbound/content-coding.ts";
import { isSuccess, type Response } from "../outbound/exchange.ts";
import { openOutbound, type Posted } from "../outbound/outbound.ts";
import type { AttemptEnd, Runner } from "./runner.ts";

export interface TargetRunnerOptions {
  readonly url: URL;
  readonly rule: AddressRule;
  readonly connectionsMax: number;
  readonly resultBytesMax: number;
  /** What an attempt may take. */
  readonly timeoutMs: number;
  /** The longest wait that Retry-After gets. */
  readonly retryAfterMaxMs: number;
}

/** Below 500 only with these may another attempt go well. */
const retryableStatuses: ReadonlySet<number> = new Set([408, 425, 429]);
/** The target, or what stands before it, takes nothing at all now. */
const outageStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** What this process or host has run out of. */
const ownResourceCodes: ReadonlySet<string> = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "ENOBUFS", "ENOMEM"]);
/** undici takes no such header: no attempt can ever be made. */
const unsendableCodes: ReadonlySet<string> = new Set(["UND_ERR_INVALID_ARG", "UND_ERR_NOT_SUPPORTED"]);

export function targetRunner(options: TargetRunnerOptions): Runner {
  const { url, rule, connectionsMax, resultBytesMax, timeoutMs, retryAfterMaxMs } = options;
  const outbound = openOutbound({ rule, connectionsMax, bytesMax: resultBytesMax, timeoutMs });
  return {
    async run(delivery, { signal }): Promise<AttemptEnd> {
      const { body } = delivery.request;
      const posted = await outbound.post({ url, headers: headersOf(delivery), body, signal });
      if (posted.kind === "no-response") return unanswered(posted, url);
      if (!isSuccess(posted.status)) return refused(posted, retryAfterMaxMs);
      return posted.isCut ? tooLarge(resultBytesMax) : doneWith(posted, resultBytesMax);
    },
    close: () => outbound.close(),
  };
}

function headersOf({ request, attempt }: Delivery): Record<string, string> {
  return {
    ...request.headers,
    "content-type": request.contentType,
    "accept-encoding": "identity",
    "idempotency-key": request.id,
    "sluice-request-id": request.id,
    "sluice-attempt": String(attempt),
  };
}

/** The result as the target meant it: without the codings that it was told not to use. */
function doneWith(response: Response, bytesMax: number): AttemptEnd | Promise<AttemptEnd> {
  const { headers, bytes } = response;
  const contentType = contentTypeOf(headers);
  const header = headers["content-encoding"];
  return header === undefined ? { kind: "done", result: { contentType, bytes } } : decodedResult(response, bytesMax);
}

async function decodedResult({ status, headers, bytes }: Response, bytesMax: number): Promise<AttemptEnd> {
  const decoded = await decodeContent(bytes, codingsOf(headers["content-encoding"] ?? ""), { bytesMax });
  switch (decoded.kind) {
    case "decoded":
      return { kind: "done", result: { contentType: contentTypeOf(headers), bytes: decoded.bytes } };
    case "unknown":
      // The target has done its part. What it sent is kept, and is not of the type that it would have without its coding.
      return { kind: "done", result: { contentType: "application/octet-stream", bytes } };
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

function contentTypeOf(headers: IncomingHttpHeaders): string {
  const contentType = headers["content-type"];
  return typeof contentType === "string" && isMediaType(contentType) ? contentType : "application/octet-stream";
}

type Failed = Extract<AttemptEnd, { kind: "failed" }>;

export async function refused(response: Response, retryAfterMaxMs: number): Promise<Failed> {
  const { status, headers } = response;
  const excerpt = await excerptOf(response);
  const askedMs = parseRetryAfter(headers["retry-after"], Date.now());
  return failed(
    {
      code: "target-status",
      message: `the target answered ${status}${excerpt === "" ? "" : `: ${excerpt}`}`,
      isRetryable: status >= 500 || retryableStatuses.has(status),
      retryAfterMs: askedMs === undefined ? undefined : Math.min(askedMs, retryAfterMaxMs),
    },
    outageStatuses.has(status) ? "outage" : status >= 500 ? "target" : "request",
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
    const message = `the request cannot be sent to ${url.origin}: ${why}`;
    return failed({ code: "unsendable", message, isRetryable: false, isCounted: false }, "request");
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

type Failing = Partial<Failed["failure"]> & Pick<Failed["failure"], "code" | "message" | "isRetryable">;

function failed(failure: Failing, blame: Failed["blame"]): Failed {
  return { kind: "failed", failure: { isCounted: true, retryAfterMs: undefined, ...failure }, blame };
}
