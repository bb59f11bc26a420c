// What RFC 9110 says of a response, worked out from how it was made and not from its bytes: nothing of the product is used.
import { bodyOf, bytesOf, headOf, isBodiless, type Fault, type Script } from "./script.ts";

export type Verdict =
  | { readonly kind: "done"; readonly bytes: Uint8Array; readonly contentType: string }
  /** Final, and for this reason. */
  | { readonly kind: "dead"; readonly code: "target-status" | "result-too-large" }
  | { readonly kind: "retry" };

const retry: Verdict = { kind: "retry" };
const tooLarge: Verdict = { kind: "dead", code: "result-too-large" };
const unknownType = "application/octet-stream";
const retryableStatuses: ReadonlySet<number> = new Set([408, 425, 429]);

/** With these there is no status that could be believed. */
const withoutStatus: ReadonlySet<Fault> = new Set<Fault>([
  "nothing",
  "garbage",
  "another protocol",
  "an upgrade",
  "no status",
  "a long status",
]);
/** With these a careful reader may still know where the body ends. */
const withBody: ReadonlySet<Fault> = new Set<Fault>([
  "a version from the future",
  "lines that end with LF",
  "a header without a colon",
  "a space in a name",
  "a zero byte in a value",
  "a folded header",
  "a megabyte of headers",
  "ten thousand headers",
  "a length and chunks",
  "more than its length",
]);

/** All that may come of it: one verdict where the response is well formed; a retry is always right where it is not. */
export function allowed(script: Script, resultBytesMax: number): readonly Verdict[] {
  const { fault, ending, version, framing, status, sent, body } = script;
  if (fault !== undefined) return [retry, ...ofFaulty(script, fault)];
  const verdict = ofWellFormed(script, resultBytesMax);
  // A reset may overtake the last bytes; chunks were not known to HTTP/1.0.
  const isDoubtful = ending === "reset" || (version === "1.0" && framing === "chunked" && !isBodiless(script));
  const isTooLargeSoFar = isSuccess(status) && sent < 1 && body.byteLength > resultBytesMax;
  return [verdict, ...(isDoubtful ? [retry] : []), ...(isTooLargeSoFar ? [tooLarge] : [])];
}

function ofWellFormed(script: Script, resultBytesMax: number): Verdict {
  const { status, framing, ending, coding, body } = script;
  const sentBytes = bytesOf(script).byteLength - headOf(script).byteLength;
  if (sentBytes < 0) return retry;
  if (!isSuccess(status)) return byStatus(status);
  if (isBodiless(script)) return done(script, new Uint8Array());
  const isWhole = sentBytes === bodyOf(script).byteLength;
  if (framing === "close" ? ending === "keep" : !isWhole) return retry;
  // As far as anybody can tell, a body that ends with its connection is whole.
  const isPlain = coding === "none" || coding === "x-unknown";
  if (!isWhole && !isPlain && sentBytes > 0) return retry;
  const bytes = isWhole ? body : body.subarray(0, sentBytes);
  return bytes.byteLength > resultBytesMax ? tooLarge : done(script, bytes);
}

function ofFaulty(script: Script, fault: Fault): readonly Verdict[] {
  const { status, body } = script;
  if (withoutStatus.has(fault)) return [];
  if (!isSuccess(status)) return [byStatus(status)];
  if (isBodiless(script)) return [{ kind: "done", bytes: new Uint8Array(), contentType: unknownType }];
  return withBody.has(fault) ? [{ kind: "done", bytes: body, contentType: unknownType }] : [];
}

/** RFC 9110, section 15: a status that nobody knows is the x00 of its class, one that cannot be is a server error. */
function byStatus(status: number): Verdict {
  const isFinal = status >= 300 && status <= 499 && !retryableStatuses.has(status);
  return isFinal ? { kind: "dead", code: "target-status" } : retry;
}

function done({ contentType, coding }: Script, bytes: Uint8Array): Verdict {
  const isType = contentType === "application/json" || contentType.startsWith("text/plain");
  return { kind: "done", bytes, contentType: isType && coding !== "x-unknown" ? contentType : unknownType };
}

function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}
