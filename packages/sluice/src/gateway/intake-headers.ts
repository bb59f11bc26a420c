// What is read off the headers of a request: its key, its type, and what travels on to the handler.
import type { IncomingHttpHeaders } from "node:http";
import { SluiceError } from "../core/errors.ts";
import { isHeaderName, isHeaderValue, isNeverKept, keptHeadersBytesMax, notKeptRule } from "../core/header-names.ts";
import { keyLengthMax, parseIdempotencyKey } from "../core/idempotency-key.ts";
import { anyBytes, isMediaType } from "../core/media-type.ts";
import { binaryEventKey } from "./cloud-event.ts";
import { parameterError } from "./problem.ts";

/** The Idempotency-Key; for a CloudEvent in binary mode without one, its source and id. */
export function keyOf(headers: IncomingHttpHeaders): string | undefined {
  const header = headers["idempotency-key"];
  if (header === undefined) return binaryEventKey(headers["ce-source"], headers["ce-id"]);
  const key = parseIdempotencyKey(String(header));
  if (key === undefined) {
    throw new SluiceError(
      "bad-key",
      `an Idempotency-Key is 1 to ${keyLengthMax} ASCII characters: visible ones, or a string in double quotes with spaces`,
    );
  }
  return key;
}

/** The media type of the body. A target would refuse what is none, and the request would end dead. */
export function contentTypeOf({ "content-type": contentType }: IncomingHttpHeaders): string {
  if (contentType === undefined) return anyBytes;
  if (isMediaType(contentType)) return contentType;
  throw typeNotAccepted(contentType);
}

export function typeNotAccepted(contentType: string): SluiceError {
  const shown = JSON.stringify(contentType.slice(0, 80));
  return new SluiceError("type-not-accepted", `a content type is a media type such as application/json, got ${shown}`);
}

/** Of the headers of a batch, what travels with each of its requests: the trace that it belongs to. */
export function traceHeaders({ traceparent, tracestate }: IncomingHttpHeaders): Record<string, string> | undefined {
  if (typeof traceparent !== "string") return undefined;
  return typeof tracestate === "string" ? { traceparent, tracestate } : { traceparent };
}

/** Begins the names of headers that are kept without it. */
export const forwardPrefix = "sluice-forward-";

/** The headers that travel with a request; the bound on all headers bounds them too. Errors: `bad-parameter`. */
export function travellingHeaders(headers: IncomingHttpHeaders): Record<string, string> | undefined {
  let kept: Record<string, string> | undefined;
  for (const name in headers) {
    const isForwarded = name.startsWith(forwardPrefix);
    if (!isForwarded && !name.startsWith("ce-") && name !== "traceparent" && name !== "tracestate") continue;
    kept ??= {};
    if (isForwarded) keepNamed(kept, name.slice(forwardPrefix.length), String(headers[name]));
    else kept[name] = String(headers[name]);
  }
  return kept;
}

function keepNamed(kept: Record<string, string>, name: string, value: string): void {
  const fault = keptFault(name, value);
  if (fault !== undefined) throw parameterError(`${forwardPrefix}${name}`, fault);
  kept[name] = value;
}

/** Why a header that a sender names cannot be kept. */
function keptFault(name: string, value: string): string | undefined {
  const shown = JSON.stringify(name.slice(0, 80));
  if (!isHeaderName(name)) return `${shown} is not the name of a header`;
  if (isNeverKept(name)) return `the header ${shown} is not kept: ${notKeptRule}`;
  return isHeaderValue(value) ? undefined : `the value of the header ${shown} has characters that HTTP cannot carry`;
}

/** The member `headers` of a batch line: an object of texts. Undefined where it is none; a text that says what is wrong. */
export function parseHeadersMember(value: unknown): Readonly<Record<string, string>> | string {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "headers is an object of texts";
  const kept: Record<string, string> = {};
  let bytes = 0;
  for (const [written, text] of Object.entries(value)) {
    const name = written.toLowerCase();
    if (typeof text !== "string") return `the value of the header ${JSON.stringify(name.slice(0, 80))} is a text`;
    const fault = keptFault(name, text);
    if (fault !== undefined) return fault;
    bytes += name.length + text.length;
    kept[name] = text;
  }
  return bytes <= keptHeadersBytesMax
    ? kept
    : `headers may have up to ${keptHeadersBytesMax} bytes, they have ${bytes}`;
}
