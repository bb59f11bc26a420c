// Signatures and digests, compared in constant time.
import { createHmac, hash, timingSafeEqual, type KeyObject } from "node:crypto";

/** The signatures of one header that are looked at: senders write one for each of their secrets. */
export const signaturesMax = 16;

/** The bytes of a signature; undefined if it is not written in the one way that the encoding has for them. */
export function readSignature(text: string, encoding: "hex" | "base64"): Uint8Array | undefined {
  const bytes = Buffer.from(text, encoding);
  return text !== "" && bytes.toString(encoding) === text ? bytes : undefined;
}

export interface Claim {
  readonly algorithm: "sha1" | "sha256" | "sha512";
  readonly secrets: readonly KeyObject[];
  /** What was signed, in parts. A text is what Node read off the wire: a character for each byte. */
  readonly message: readonly (string | Uint8Array)[];
  readonly signatures: readonly Uint8Array[];
}

/** Whether one of the signatures is that of one of the secrets. It compares all of them, whichever fits. */
export function isSigned({ algorithm, secrets, message, signatures }: Claim): boolean {
  let isFound = false;
  for (const secret of secrets) {
    const hmac = createHmac(algorithm, secret);
    for (const part of message) {
      if (typeof part === "string") hmac.update(part, "latin1");
      else hmac.update(part);
    }
    const expected = hmac.digest();
    for (const signature of signatures) if (isSame(expected, signature)) isFound = true;
  }
  return isFound;
}

function isSame(expected: Uint8Array, given: Uint8Array): boolean {
  return expected.length === given.length && timingSafeEqual(expected, given);
}

/** Whether what was shown is one of those with these SHA-256 digests. */
export function isKnown(digests: readonly Uint8Array[], shown: string | Uint8Array): boolean {
  const digest = hash("sha256", shown, "buffer");
  let isFound = false;
  for (const known of digests) if (isSame(known, digest)) isFound = true;
  return isFound;
}

/** Seconds or milliseconds since 1970, as whole seconds; undefined if it is neither. */
export function readSeconds(text: string): number | undefined {
  return /^\d{10}(?:\d{3})?$/.test(text) ? Number(text.slice(0, 10)) : undefined;
}

export interface Moment {
  readonly seconds: number;
  readonly nowMs: number;
  readonly toleranceSeconds: number;
}

export function isInTime({ seconds, nowMs, toleranceSeconds }: Moment): boolean {
  return Math.abs(Math.floor(nowMs / 1_000) - seconds) <= toleranceSeconds;
}
