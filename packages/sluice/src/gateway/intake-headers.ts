// What is read off the headers of a request: its key, and what travels on to the handler.
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { SluiceError } from "../core/errors.ts";
import { parseIdempotencyKey } from "../core/idempotency-key.ts";

const keyLengthMax = 255;

/** The Idempotency-Key; for a CloudEvent without one, its source and id. */
export function keyOf(headers: IncomingHttpHeaders): string | undefined {
  const header = headers["idempotency-key"];
  if (header === undefined) return cloudEventKey(headers["ce-source"], headers["ce-id"]);
  const key = parseIdempotencyKey(String(header));
  if (key === undefined) {
    throw new SluiceError(
      "bad-key",
      `an Idempotency-Key is 1 to ${keyLengthMax} visible ASCII characters, quoted or bare`,
    );
  }
  return key;
}

/** No two pairs share a key: neither part can contain the bar, and the hash alone begins with `ce:sha256:`. */
function cloudEventKey(source: string | string[] | undefined, id: string | string[] | undefined): string | undefined {
  if (!source || !id) return undefined;
  const pair = `${encodeURIComponent(String(source))}|${encodeURIComponent(String(id))}`;
  const key = `ce:${pair}`;
  return key.length <= keyLengthMax ? key : `ce:sha256:${createHash("sha256").update(pair).digest("hex")}`;
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
