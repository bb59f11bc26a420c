// The keys of CloudEvents, which their source and id make unique. One event has one key in whatever mode it comes: binary,
// structured, or in a batch.
import { createHash } from "node:crypto";
import { SluiceError } from "../core/errors.ts";
import { keyLengthMax } from "../core/idempotency-key.ts";
import { parseJson } from "./json.ts";

export const structuredType = "application/cloudevents+json";
const structured = /^application\/cloudevents\+json[ \t]*(?:;|$)/i;
const batched = /^application\/cloudevents-batch\+json[ \t]*(?:;|$)/i;

export function isEventBatch(contentType: string): boolean {
  return batched.test(contentType);
}

/** The key of an event in binary mode, by its headers; undefined when it is none, or lacks one of the two. */
export function binaryEventKey(
  source: string | string[] | undefined,
  id: string | string[] | undefined,
): string | undefined {
  return source && id ? keyOfPair(pairOf(String(source), String(id))) : undefined;
}

/**
 * The key of what a body of this type holds: an event, or a batch of events that is one request. Throws for an event that is
 * nested too deep to be read: without its key it would be stored twice when it is sent twice.
 */
export function bodyEventKey(contentType: string, body: Uint8Array): string | undefined {
  const isBatch = isEventBatch(contentType);
  if (!isBatch && !structured.test(contentType)) return undefined;
  const parsed = parseJson(body);
  if (parsed.kind === "too-deep")
    throw new SluiceError("bad-request", `the CloudEvent cannot be read: ${parsed.message}`);
  if (parsed.kind === "unreadable") return undefined;
  if (!isBatch) return eventKey(parsed.value);
  return Array.isArray(parsed.value) ? keyOfEvents(parsed.value) : undefined;
}

/** Undefined when it lacks one of the two. */
export function eventKey(event: unknown): string | undefined {
  const pair = pairOfEvent(event);
  return pair === undefined ? undefined : keyOfPair(pair);
}

function keyOfEvents(events: readonly unknown[]): string | undefined {
  const pairs = events.map(pairOfEvent);
  if (pairs.length === 0 || pairs.includes(undefined)) return undefined;
  return pairs.length === 1 ? keyOfPair(pairs[0] as string) : hashed("ce-batch", pairs.join("|"));
}

function pairOfEvent(event: unknown): string | undefined {
  if (typeof event !== "object" || event === null) return undefined;
  const { source, id } = event as { readonly source?: unknown; readonly id?: unknown };
  if (typeof source !== "string" || typeof id !== "string" || source === "" || id === "") return undefined;
  return pairOf(headerValue(source), headerValue(id));
}

/** As binary mode writes an attribute into a header (CloudEvents HTTP binding, 3.1.3.2). */
function headerValue(text: string): string {
  return text.toWellFormed().replaceAll(/[^\x21-\x7e]+|["%]/gu, (part) => encodeURIComponent(part));
}

/** Neither part can contain the bar. */
function pairOf(source: string, id: string): string {
  return `${encodeURIComponent(source)}|${encodeURIComponent(id)}`;
}

/** No two pairs share a key: a hash alone begins with `ce:sha256:`. */
function keyOfPair(pair: string): string {
  const key = `ce:${pair}`;
  return key.length <= keyLengthMax ? key : hashed("ce", pair);
}

function hashed(prefix: string, text: string): string {
  return `${prefix}:sha256:${createHash("sha256").update(text).digest("hex")}`;
}
