// Checks what is posted to a callback URL, by Standard Webhooks 1.0: that it comes from whoever has the secret, that it is
// as it was sent, and that it was sent just now. https://www.standardwebhooks.com
import type { WireCallback } from "./wire.ts";

export interface VerifyCallbackInput {
  /** The bytes as they came, before any parsing. */
  readonly body: string | Uint8Array;
  /** The headers of the post: those of the Fetch API or of Node.js. */
  readonly headers: Headers | Readonly<Record<string, string | readonly string[] | undefined>>;
  /** `whsec_…`; while it is being changed the old one and the new. */
  readonly secret: string | readonly string[];
  /** How far the time of the post and this machine's may be apart; 300 unless set. */
  readonly toleranceSeconds?: number | undefined;
  /** Milliseconds since 1970; this machine's time unless given. */
  readonly now?: number | undefined;
}

export interface VerifiedCallback {
  /** The same each time that this callback is posted: one that was seen already is a repeat. */
  readonly id: string;
  readonly callback: WireCallback;
}

/**
 * - `bad-secret`: a secret is none, and nothing can be checked with it.
 * - `unsigned`: a header is missing or malformed.
 * - `untimely`: posted too long ago, or in the future.
 * - `forged`: no signature is right.
 * - `unreadable`: signed as it should be, and yet no callback of Sluice.
 */
export type CallbackErrorCode = "bad-secret" | "unsigned" | "untimely" | "forged" | "unreadable";

/** Why a callback must not be believed. */
export class CallbackError extends Error {
  readonly code: CallbackErrorCode;

  constructor(code: CallbackErrorCode, message: string) {
    super(message);
    this.name = "CallbackError";
    this.code = code;
  }
}

const toleranceSecondsDefault = 300;
/** What is beyond is not looked at: each costs a computation. */
const signaturesMax = 16;
const encoder = new TextEncoder();

/** The callback, once it is proved. Rejects with a CallbackError otherwise: answer such a post with 401. */
export async function verifyCallback(input: VerifyCallbackInput): Promise<VerifiedCallback> {
  const { toleranceSeconds = toleranceSecondsDefault, now = Date.now() } = input;
  const secrets = typeof input.secret === "string" ? [input.secret] : input.secret;
  if (secrets.length === 0) throw new CallbackError("bad-secret", "there is no secret to verify with");
  const keys = await Promise.all(secrets.map(keyOf));
  const id = headerOf(input.headers, "webhook-id");
  const timestamp = headerOf(input.headers, "webhook-timestamp");
  const signatures = signaturesOf(headerOf(input.headers, "webhook-signature"));
  assertTimely(timestamp, { toleranceSeconds, now });
  const body = typeof input.body === "string" ? encoder.encode(input.body) : input.body;
  if (!(await isSigned({ keys, signatures, signed: joined(`${id}.${timestamp}.`, body) }))) {
    throw new CallbackError("forged", "no signature fits the secret and what was posted");
  }
  return { id, callback: parse(body) };
}

function headerOf(headers: VerifyCallbackInput["headers"], name: string): string {
  const found = headers instanceof Headers ? headers.get(name) : memberOf(headers, name);
  if (typeof found === "string" && found !== "") return found;
  throw new CallbackError("unsigned", `the header ${name} is missing`);
}

function memberOf(headers: Exclude<VerifyCallbackInput["headers"], Headers>, name: string): unknown {
  const found = headers[name] ?? Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return Array.isArray(found) && found.length === 1 ? found[0] : found;
}

function assertTimely(
  timestamp: string,
  { toleranceSeconds, now }: { readonly toleranceSeconds: number; readonly now: number },
): void {
  if (!/^\d{1,12}$/.test(timestamp)) {
    throw new CallbackError("unsigned", "webhook-timestamp must be seconds since 1970");
  }
  const apartSeconds = Math.floor(now / 1_000) - Number(timestamp);
  if (Math.abs(apartSeconds) <= toleranceSeconds) return;
  const found = apartSeconds > 0 ? `${apartSeconds} s ago` : `${-apartSeconds} s in the future`;
  throw new CallbackError("untimely", `it may be posted ${toleranceSeconds} s from now at most, it was ${found}`);
}

/** Those of version 1; others are for others to read. */
function signaturesOf(header: string): readonly Uint8Array<ArrayBuffer>[] {
  return header
    .split(" ")
    .slice(0, signaturesMax)
    .flatMap((one) => (one.startsWith("v1,") ? (bytesOf(one.slice(3)) ?? []) : []));
}

interface Proof {
  readonly keys: readonly CryptoKey[];
  readonly signatures: readonly Uint8Array<ArrayBuffer>[];
  readonly signed: Uint8Array<ArrayBuffer>;
}

/** Web Crypto compares in constant time, and all are tried whichever fits. */
async function isSigned({ keys, signatures, signed }: Proof): Promise<boolean> {
  const pairs = keys.flatMap((key) => signatures.map((signature) => ({ key, signature })));
  const fits = await Promise.all(
    pairs.map(({ key, signature }) => crypto.subtle.verify("HMAC", key, signature, signed)),
  );
  return fits.includes(true);
}

function keyOf(secret: string): Promise<CryptoKey> {
  const bytes = secret.startsWith("whsec_") ? bytesOf(secret.slice("whsec_".length)) : undefined;
  if (bytes === undefined || bytes.length === 0) {
    throw new CallbackError("bad-secret", "a secret is whsec_ and base64");
  }
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
}

/** Undefined when it is no base64. */
function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function joined(head: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const start = encoder.encode(head);
  const bytes = new Uint8Array(start.length + body.length);
  bytes.set(start);
  bytes.set(body, start.length);
  return bytes;
}

function parse(body: Uint8Array): WireCallback {
  try {
    const callback = JSON.parse(new TextDecoder().decode(body)) as WireCallback | null;
    if (typeof callback?.type === "string" && typeof callback.data?.id === "string") return callback;
  } catch {
    // told below
  }
  throw new CallbackError("unreadable", "it is signed, and no callback of Sluice");
}
