import { hash } from "node:crypto";
import type { BodyHash } from "./body-hash.ts";
import type { RequestHead } from "./stored-head.ts";

export const keyLengthMax = 255;

// RFC 9651: a string, and the parameters that may follow an item. Each character has one way to match.
const quoted = /^"((?:[ !\x23-\x5b\x5d-\x7e]|\\["\\])*)"/;
const string = String.raw`"(?:[ !\x23-\x5b\x5d-\x7e]|\\["\\])*"`;
const token = "[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*";
const number = String.raw`-?\d{1,12}\.\d{1,3}|-?\d{1,15}`;
const others = String.raw`@-?\d{1,15}|:[A-Za-z0-9+/=]*:|\?[01]|%"(?:[ !\x23\x24\x26-\x7e]|%[0-9a-f]{2})*"`;
const parameters = new RegExp(`^(?:; *[a-z*][a-z0-9_.*-]*(?:=(?:${string}|${token}|${number}|${others}))?)*$`);

/**
 * Reads an Idempotency-Key header: a structured-field string, whose parameters are ignored, or the bare key. `"abc"` and `abc`
 * are the same key. Undefined when it is malformed.
 */
export function parseIdempotencyKey(header: string): string | undefined {
  const text = header.trim();
  if (!text.startsWith('"')) return /^[\x21-\x7e]{1,255}$/.test(text) ? text : undefined;
  const match = quoted.exec(text);
  if (match === null || !parameters.test(text.slice(match[0].length))) return undefined;
  const key = (match[1] as string).replaceAll(/\\(["\\])/g, "$1");
  return isIdempotencyKey(key) ? key : undefined;
}

/** 1 to 255 printable ASCII characters. */
export function isIdempotencyKey(key: string): boolean {
  return /^[\x20-\x7e]{1,255}$/.test(key);
}

/** Between a key and its sender, where a store keeps both as one text. No key and no sender has it. */
const senderMark = "\u001f";

/**
 * A key as a store keeps it: with its sender, so that keys are unique per queue and sender (I5). Without a sender it is the
 * key itself. A request without a key keeps its sender alone.
 */
export function storedKeyOf({ key, sender }: KeyOfSender): string | undefined {
  return sender === undefined ? key : `${key ?? ""}${senderMark}${sender}`;
}

/** The two in a stored key. */
export function readStoredKey(stored: string | null): KeyOfSender {
  const at = stored === null ? -1 : stored.indexOf(senderMark);
  if (stored === null || at === -1) return { key: stored ?? undefined, sender: undefined };
  return { key: at === 0 ? undefined : stored.slice(0, at), sender: stored.slice(at + 1) };
}

export interface KeyOfSender {
  readonly key: string | undefined;
  /** Undefined where there are no API keys, and for what was accepted before senders were told apart. */
  readonly sender?: string | undefined;
}

/** What tells one request from another under the same key: its body, and where it was sent if that is kept. */
export function fingerprintOf(bodyHash: BodyHash, { method, path }: Omit<RequestHead, "headers">): Uint8Array {
  if (method === undefined && path === undefined) return Buffer.from(bodyHash, "binary");
  const sentTo = Buffer.from(`${method ?? ""} ${path ?? ""}\n`);
  return hash("sha256", Buffer.concat([sentTo, Buffer.from(bodyHash, "binary")]), "buffer");
}
