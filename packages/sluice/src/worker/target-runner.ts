// Attempts run by service B: the stored body is posted to its URL.
import { request as httpRequest } from "undici";
import type { IncomingHttpHeaders } from "undici/types/header.js";
import { messageOf } from "../core/errors.ts";
import type { Content, Delivery } from "../core/request.ts";
import type { AddressRule } from "../outbound/address-rule.ts";
import { guardedAgent } from "../outbound/guarded-agent.ts";
import type { AttemptEnd, Runner } from "./runner.ts";

export interface TargetRunnerOptions {
  readonly url: URL;
  readonly rule: AddressRule;
  readonly connectionsMax: number;
  readonly resultBytesMax: number;
}

/** Below 500 only with these may another attempt go well. */
const retryableStatuses: ReadonlySet<number> = new Set([408, 425, 429]);
/** The target, or what stands before it, takes nothing at all now. */
const outageStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** With these the target was never reached, so its handler cannot have begun (I4). */
const unreachableCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "address-refused",
  "UND_ERR_CONNECT_TIMEOUT",
]);

export function targetRunner({ url, rule, connectionsMax, resultBytesMax }: TargetRunnerOptions): Runner {
  const agent = guardedAgent({ rule, connectionsMax });
  return {
    async run(delivery, { signal }): Promise<AttemptEnd> {
      try {
        const answer = await httpRequest(url, {
          dispatcher: agent,
          method: "POST",
          headers: headersOf(delivery),
          body: delivery.request.body,
          signal,
        });
        const { statusCode, headers } = answer;
        const bytes = await readBounded(answer.body, resultBytesMax);
        if (statusCode < 200 || statusCode > 299) return refused(statusCode, headers, bytes);
        if (bytes === undefined) return tooLarge(resultBytesMax);
        return { kind: "done", result: contentOf(headers, bytes) };
      } catch (error) {
        signal.throwIfAborted();
        return unanswered(error, url);
      }
    },
    close: () => agent.destroy(),
  };
}

function headersOf({ request, attempt }: Delivery): Record<string, string> {
  return {
    ...request.headers,
    "content-type": request.contentType,
    "idempotency-key": request.id,
    "sluice-request-id": request.id,
    "sluice-attempt": String(attempt),
  };
}

function contentOf(headers: IncomingHttpHeaders, bytes: Uint8Array): Content {
  const contentType = headers["content-type"];
  return { contentType: typeof contentType === "string" ? contentType : "application/octet-stream", bytes };
}

/** The whole body, or undefined when it is over the bound. */
export async function readBounded(body: AsyncIterable<Buffer>, bytesMax: number): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}

type Failed = Extract<AttemptEnd, { kind: "failed" }>;

const excerptLength = 500;

export function refused(status: number, headers: IncomingHttpHeaders, bytes: Uint8Array | undefined): Failed {
  const excerpt = Buffer.from(bytes ?? [])
    .toString("utf8")
    .slice(0, excerptLength);
  return {
    kind: "failed",
    failure: {
      code: "target-status",
      message: `the target answered ${status}${excerpt === "" ? "" : `: ${excerpt}`}`,
      isRetryable: status >= 500 || retryableStatuses.has(status),
      isCounted: true,
      retryAfterMs: parseRetryAfter(headers["retry-after"], Date.now()),
    },
    blame: outageStatuses.has(status) ? "outage" : status >= 500 ? "target" : "request",
  };
}

function tooLarge(bytesMax: number): AttemptEnd {
  const message = `the target's answer may have ${bytesMax} bytes, it has more`;
  const failure = { code: "result-too-large", message, isRetryable: false, isCounted: true, retryAfterMs: undefined };
  return { kind: "failed", failure, blame: "request" };
}

export function unanswered(error: unknown, url: URL): Failed {
  const code = codeOf(error) === "address-refused" ? "address-refused" : "unreachable";
  const isReached = !unreachableCodes.has(codeOf(error));
  const message = `${url.origin} ${isReached ? "broke off" : "cannot be reached"}: ${messageOf(error) || codeOf(error)}`;
  return {
    kind: "failed",
    failure: { code, message, isRetryable: true, isCounted: isReached, retryAfterMs: undefined },
    blame: isReached ? "target" : "outage",
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** Retry-After in milliseconds: seconds, or an HTTP date. Undefined when it says nothing readable. */
export function parseRetryAfter(header: string | string[] | undefined, now: number): number | undefined {
  if (typeof header !== "string") return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header) * 1_000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}
