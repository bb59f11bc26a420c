// What is read off the headers of a request: its key, its type, and what travels on to the handler.
import type { IncomingHttpHeaders } from "node:http";
import { SluiceError } from "../core/errors.ts";
import { keyLengthMax, parseIdempotencyKey } from "../core/idempotency-key.ts";
import { isMediaType } from "../core/media-type.ts";
import { binaryEventKey } from "./cloud-event.ts";

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

/** What a request without a Content-Type is stored as. */
const anyBytes = "application/octet-stream";

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

/** The headers that travel with a request; the bound on all headers bounds them too. */
export function travellingHeaders(headers: IncomingHttpHeaders): Record<string, string> | undefined {
  let kept: Record<string, string> | undefined;
  for (const name in headers) {
    if (!name.startsWith("ce-") && name !== "traceparent" && name !== "tracestate") continue;
    kept ??= {};
    kept[name] = String(headers[name]);
  }
  return kept;
}
