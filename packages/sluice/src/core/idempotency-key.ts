import { createHash } from "node:crypto";

/**
 * Reads an Idempotency-Key header: quoted or bare, 1 to 255 visible ASCII characters.
 * Undefined when it is malformed.
 */
export function parseIdempotencyKey(header: string): string | undefined {
  const text = header.trim();
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1];
  if (quoted === undefined && text.startsWith('"')) return undefined;
  const key = quoted === undefined ? text : quoted.replaceAll(/\\(["\\])/g, "$1");
  return isIdempotencyKey(key) ? key : undefined;
}

export function isIdempotencyKey(key: string): boolean {
  return /^[\x21-\x7e]{1,255}$/.test(key);
}

/** What tells one body from another under the same key. */
export function fingerprintOf(body: Uint8Array): Uint8Array {
  return createHash("sha256").update(body).digest();
}
