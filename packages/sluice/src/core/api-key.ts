// API keys: what one may do, and how the few bytes that are kept of it recognise it. Pure: where they are kept is not known
// here.
//
// Only the SHA-256 of a key is kept. A slow hash, as for passwords, would add nothing: a key is 256 random bits, which
// nobody finds by trying, and it is checked with every call.
import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import { parseQuota, type Quota } from "./quota.ts";
import { SluiceError } from "./errors.ts";

/** What a key may do: hand requests in; read requests, results and queues; change them. None includes another. */
export const scopes = ["send", "read", "admin"] as const;
export type Scope = (typeof scopes)[number];

export interface ApiKey {
  /** Names the key in lists and logs; no secret. */
  readonly id: string;
  readonly name: string;
  /** Its owner, who can have several: Idempotency-Keys are unique per queue and sender. */
  readonly sender: string;
  /** Of the whole key. */
  readonly sha256: Buffer;
  readonly scopes: readonly Scope[];
  /** The queues that it knows; all of them if undefined. */
  readonly queues: readonly string[] | undefined;
  /** The requests that it may hand in. */
  readonly quota: Quota | undefined;
  /** Milliseconds since 1970, as all times here. */
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
}

export type ApiKeyState = "valid" | "expired" | "revoked";

const apiKeysMax = 1_000;
const keyPrefix = "sluice_";
const nameRule = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const queuesMax = 100;

export interface NewApiKey extends Pick<ApiKey, "name" | "scopes" | "queues" | "quota" | "createdAt" | "expiresAt"> {
  /** The key's own name unless given. */
  readonly sender?: string | undefined;
}

/** A new key, and the text that its owner shows: this is the only time that it exists. */
export function makeApiKey(options: NewApiKey): { readonly key: ApiKey; readonly secret: string } {
  const secret = keyPrefix + randomBytes(32).toString("base64url");
  const id = randomBytes(6).toString("hex");
  const { sender = options.name } = options;
  return { key: checked({ id, sha256: digestOf(secret), ...options, sender, revokedAt: undefined }), secret };
}

export function stateOf({ expiresAt, revokedAt }: ApiKey, now: number): ApiKeyState {
  if (revokedAt !== undefined) return "revoked";
  return expiresAt !== undefined && expiresAt <= now ? "expired" : "valid";
}

/** The key that was shown, whatever its state. Looks at all of them, so that its time tells nothing of which are close. */
export function findApiKey(keys: readonly ApiKey[], secret: string): ApiKey | undefined {
  const shown = digestOf(secret);
  let found: ApiKey | undefined;
  for (const key of keys) if (timingSafeEqual(key.sha256, shown)) found = key;
  return found;
}

function digestOf(secret: string): Buffer {
  return hash("sha256", secret, "buffer");
}

interface KeyDocument {
  readonly id: string;
  readonly name: string;
  readonly sender: string;
  readonly sha256: string;
  readonly scopes: readonly Scope[];
  readonly queues?: readonly string[];
  readonly rate?: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

/** The text of a file of keys. It holds no secret, but whoever may write it may let anybody in. */
export function formatApiKeys(keys: readonly ApiKey[]): string {
  if (keys.length > apiKeysMax) throw bad(`there may be ${apiKeysMax} keys, revoked ones among them`);
  return `${JSON.stringify({ version: 1, keys: keys.map(documentOf) }, undefined, 2)}\n`;
}

function documentOf({ id, name, sender, sha256, ...key }: ApiKey): KeyDocument {
  return {
    id,
    name,
    sender,
    sha256: sha256.toString("hex"),
    scopes: key.scopes,
    ...(key.queues && { queues: key.queues }),
    ...(key.quota && { rate: key.quota.text }),
    createdAt: timeText(key.createdAt),
    ...(key.expiresAt !== undefined && { expiresAt: timeText(key.expiresAt) }),
    ...(key.revokedAt !== undefined && { revokedAt: timeText(key.revokedAt) }),
  };
}

function timeText(at: number): string {
  return new Date(at).toISOString();
}

/** Errors: `bad-config`, with the rule that the text breaks. */
export function parseApiKeys(text: string): readonly ApiKey[] {
  const { version, keys } = parseJson(text);
  if (version !== 1) throw bad(`version must be 1, got ${JSON.stringify(version)}`);
  if (!Array.isArray(keys) || keys.length > apiKeysMax) throw bad(`keys must be a list of at most ${apiKeysMax}`);
  const parsed = keys.map((document: unknown, at) => parseKey(document, `keys[${at}]`));
  const ids = new Set(parsed.map(({ id }) => id));
  if (ids.size < parsed.length) throw bad("two keys have the same id");
  return parsed;
}

function parseJson(text: string): { readonly version?: unknown; readonly keys?: unknown } {
  try {
    const value = JSON.parse(text) as unknown;
    if (isObject(value)) return value;
  } catch (cause) {
    throw new SluiceError("bad-config", "it is not JSON", { cause });
  }
  throw bad("it must be an object");
}

function parseKey(document: unknown, place: string): ApiKey {
  if (!isObject(document)) throw bad(`${place} must be an object`);
  // Files of earlier versions name no senders: each key is its own.
  const { id, name, sender = name, sha256, scopes: may, queues, rate, createdAt, expiresAt, revokedAt } = document;
  if (typeof id !== "string" || id === "") throw bad(`${place}.id must be a text`);
  if (typeof sha256 !== "string" || !/^[0-9a-f]{64}$/.test(sha256)) throw bad(`${place}.sha256 must be 64 hex digits`);
  if (rate !== undefined && typeof rate !== "string") throw bad(`${place}.rate must be a text`);
  return checked({
    id,
    name: name as string,
    sender: sender as string,
    sha256: Buffer.from(sha256, "hex"),
    scopes: may as readonly Scope[],
    queues: queues as readonly string[] | undefined,
    quota: rate === undefined ? undefined : parseQuota(rate),
    createdAt: parseTime(createdAt, `${place}.createdAt`),
    expiresAt: expiresAt === undefined ? undefined : parseTime(expiresAt, `${place}.expiresAt`),
    revokedAt: revokedAt === undefined ? undefined : parseTime(revokedAt, `${place}.revokedAt`),
  });
}

function checked(key: ApiKey): ApiKey {
  const { name, sender, scopes: may, queues } = key as { readonly [field in keyof ApiKey]: unknown };
  if (typeof name !== "string" || !nameRule.test(name))
    throw bad(`a key's name is 1 to 63 letters, digits, dots, dashes or underscores, got ${JSON.stringify(name)}`);
  if (typeof sender !== "string" || !nameRule.test(sender))
    throw bad(`the sender of key ${name} is named as keys are, got ${JSON.stringify(sender)}`);
  if (!isTexts(may) || may.length === 0 || !may.every((scope) => scopes.some((known) => known === scope)))
    throw bad(`the scopes of key ${name} are one or more of ${scopes.join(", ")}, got ${JSON.stringify(may)}`);
  if (queues !== undefined && (!isTexts(queues) || queues.length === 0 || queues.length > queuesMax))
    throw bad(`key ${name} is limited to 1 to ${queuesMax} queues, or to none by naming none`);
  return key;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseTime(value: unknown, place: string): number {
  const at = typeof value === "string" ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(at)) throw bad(`${place} must be a time such as 2026-01-31T12:00:00Z`);
  return at;
}

function bad(message: string): SluiceError {
  return new SluiceError("bad-config", message);
}
