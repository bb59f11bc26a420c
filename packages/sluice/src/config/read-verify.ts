// How a route recognises its sender, from whatever a user wrote. Errors name the place and the rule, and no value: any could
// be a secret.
import { createSecretKey, hash, type KeyObject } from "node:crypto";
import { parseWebhookSecret } from "../core/webhook-signature.ts";
import type { BasicSettings, HmacSettings, SignedPart, VerifySettings } from "../gateway/front/verify/settings.ts";
import { sluiceKeys } from "./front-values.ts";
import { bad, guarded, readDescriptor } from "./read-descriptor.ts";
import { readSecrets } from "./read-secrets.ts";
import { assertObject } from "./read-value.ts";
import type { Environment } from "./secret.ts";

const toleranceSecondsMax = 86_400;
const toleranceSecondsDefault = 300;
const usersMax = 100;
const templateCharsMax = 1_000;
const prefixCharsMax = 100;
const algorithms = ["sha256", "sha1", "sha512"] as const;
const encodings = ["hex", "base64"] as const;
const webhookPrefix = "whsec_";
const parameterRule = /^[\x21-\x7e]{1,128}$/;

interface Reading {
  readonly place: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly env: Environment;
}

const presets = new Map<string, (reading: Reading) => VerifySettings>([
  ["github", (reading) => readBodySignature(reading, { ...github, kind: "github" })],
  ["gitlab", readGitlab],
  ["stripe", (reading) => ({ kind: "stripe", ...readTimed(reading) })],
  ["shopify", (reading) => readBodySignature(reading, { ...shopify, kind: "shopify" })],
  ["slack", (reading) => ({ kind: "slack", ...slack, ...readTimed(reading) })],
  ["twilio", (reading) => ({ kind: "twilio", ...readOnlySecrets(reading) })],
  ["standardWebhooks", readStandardWebhooks],
  ["hmac", readHmac],
  ["basic", readBasic],
  ["apiKey", readApiKey],
  ["sluiceKeys", readSluiceKeys],
]);

const rule = `must be "public" or one of ${[...presets.keys()].join(", ")}, such as github({ secret })`;

/** Undefined where nothing was given. Errors: `bad-config`. */
export function readVerify(place: string, value: unknown, env: Environment): VerifySettings | undefined {
  if (value === undefined) return undefined;
  if (value === "public") return { kind: "public" };
  if (value === sluiceKeys) return { kind: "sluiceKeys" };
  return guarded(place, () => {
    const descriptor = readDescriptor(value);
    const read = descriptor && presets.get(descriptor.kind);
    if (read === undefined) throw bad(`${place} ${rule}`);
    return read({ place, fields: descriptor?.fields ?? {}, env });
  });
}

type Scheme = Omit<HmacSettings, "kind" | "secrets">;

/** https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries */
const github: Scheme = {
  header: "x-hub-signature-256",
  prefix: "sha256=",
  algorithm: "sha256",
  encoding: "hex",
  signed: [{ kind: "body" }],
  toleranceSeconds: undefined,
};

/** https://shopify.dev/docs/apps/build/webhooks/subscribe/https */
const shopify: Scheme = { ...github, header: "x-shopify-hmac-sha256", prefix: "", encoding: "base64" };

/** https://docs.slack.dev/authentication/verifying-requests-from-slack */
const slack: Omit<Scheme, "toleranceSeconds"> = {
  header: "x-slack-signature",
  prefix: "v0=",
  algorithm: "sha256",
  encoding: "hex",
  signed: [
    { kind: "text", text: "v0:" },
    { kind: "header", name: "x-slack-request-timestamp" },
    { kind: "text", text: ":" },
    { kind: "body" },
  ],
};

function readBodySignature(reading: Reading, scheme: Omit<HmacSettings, "secrets">): HmacSettings {
  return { ...scheme, ...readOnlySecrets(reading) };
}

function readOnlySecrets(reading: Reading): { readonly secrets: readonly KeyObject[] } {
  assertObject(reading.place, reading.fields, ["secret"]);
  return { secrets: secretTexts(reading).map(keyOf) };
}

interface TimedSecrets {
  readonly secrets: readonly KeyObject[];
  readonly toleranceSeconds: number;
}

type ToKey = (text: string, place: string) => KeyObject;

function readTimed(reading: Reading, toKey: ToKey = keyOf): TimedSecrets {
  const { place, fields } = reading;
  assertObject(place, fields, ["secret", "toleranceSeconds"]);
  return {
    secrets: secretTexts(reading).map((text) => toKey(text, `${place}.secret`)),
    toleranceSeconds: readTolerance(reading) ?? toleranceSecondsDefault,
  };
}

function readTolerance({ place, fields }: Reading): number | undefined {
  const { toleranceSeconds: seconds } = fields;
  if (seconds === undefined) return undefined;
  const isValid =
    typeof seconds === "number" && Number.isInteger(seconds) && seconds >= 1 && seconds <= toleranceSecondsMax;
  if (!isValid) throw bad(`${place}.toleranceSeconds must be an integer from 1 to ${toleranceSecondsMax}`);
  return seconds;
}

function readStandardWebhooks(reading: Reading): VerifySettings {
  return { kind: "standardWebhooks", ...readTimed(reading, webhookKeyOf) };
}

/** A signing token has its prefix, a secret token is any other text. */
function readGitlab(reading: Reading): VerifySettings {
  const { place, fields } = reading;
  assertObject(place, fields, ["secret"]);
  const texts = secretTexts(reading);
  const isSigning = (text: string): boolean => text.startsWith(webhookPrefix);
  const secrets = texts.filter(isSigning).map((text) => webhookKeyOf(text, `${place}.secret`));
  const tokens = texts.filter((text) => !isSigning(text)).map(digestOf);
  const signing = { kind: "standardWebhooks", secrets, toleranceSeconds: toleranceSecondsDefault } as const;
  return { kind: "gitlab", tokens, signing: secrets.length > 0 ? signing : undefined };
}

function readHmac(reading: Reading): VerifySettings {
  const { place, fields } = reading;
  const { header, algorithm, encoding, prefix = "", signed = "body" } = fields;
  assertObject(place, fields, ["header", "algorithm", "encoding", "prefix", "signed", "toleranceSeconds", "secret"]);
  if (typeof prefix !== "string" || !/^[\x20-\x7e]*$/.test(prefix) || prefix.length > prefixCharsMax)
    throw bad(`${place}.prefix must be a text of up to ${prefixCharsMax} visible ASCII characters`);
  const parts = readTemplate(`${place}.signed`, signed);
  const toleranceSeconds = readTolerance(reading);
  if (toleranceSeconds !== undefined && parts.filter(({ kind }) => kind === "header").length !== 1)
    throw bad(`${place}.toleranceSeconds needs one {header:NAME} in signed: the header with the time`);
  return {
    kind: "hmac",
    header: readHeaderName(`${place}.header`, header),
    prefix,
    algorithm: oneOf(`${place}.algorithm`, algorithms, algorithm),
    encoding: oneOf(`${place}.encoding`, encodings, encoding),
    signed: parts,
    toleranceSeconds,
    secrets: secretTexts(reading).map(keyOf),
  };
}

/** The first unless another is given. */
function oneOf<Known extends string>(
  place: string,
  known: readonly [Known, ...(readonly Known[])],
  value: unknown = known[0],
): Known {
  const found = known.find((one) => one === value);
  if (found === undefined) throw bad(`${place} must be one of ${known.join(", ")}`);
  return found;
}

function readTemplate(place: string, signed: unknown): readonly SignedPart[] {
  const text = signed === "body" ? "{body}" : signed;
  const pieces = typeof text === "string" && text.length <= templateCharsMax ? text.split(/(\{[^{}]*\})/) : [];
  const parts = pieces.filter((piece) => piece !== "").map(readPart);
  const bodies = parts.filter((part) => part?.kind === "body");
  if (bodies.length === 1 && !parts.includes(undefined)) return parts as readonly SignedPart[];
  throw bad(
    `${place} must be "body", or a template of up to ${templateCharsMax} characters with {body} once, and with {method}, {path}, {url} or {header:NAME}`,
  );
}

function readPart(piece: string): SignedPart | undefined {
  const kind = (["body", "method", "path", "url"] as const).find((known) => piece === `{${known}}`);
  if (kind !== undefined) return { kind };
  const name = /^\{header:(.+)\}$/.exec(piece)?.[1];
  if (name !== undefined) return isHeaderName(name) ? { kind: "header", name: name.toLowerCase() } : undefined;
  return /^[^{}\x80-\uffff]+$/.test(piece) ? { kind: "text", text: piece } : undefined;
}

function readBasic({ place, fields, env }: Reading): VerifySettings {
  assertObject(place, fields, ["users"]);
  const { users } = fields;
  if (!Array.isArray(users) || users.length === 0 || users.length > usersMax)
    throw bad(`${place} must be basic({ username, password }), with 1 to ${usersMax} users`);
  const read = Array.from(users, (user: unknown, at) => readUser({ place: `${place}.users[${at}]`, user, env }));
  if (new Set(read.map(({ username }) => username)).size < read.length)
    throw bad(`${place} has a username twice: one user can have a list of passwords`);
  return { kind: "basic", users: read };
}

interface UserReading {
  readonly place: string;
  readonly user: unknown;
  readonly env: Environment;
}

function readUser({ place, user, env }: UserReading): BasicSettings["users"][number] {
  if (typeof user !== "object" || user === null) throw bad(`${place} must be { username, password }`);
  const { ...fields } = user as { readonly username?: unknown; readonly password?: unknown };
  assertObject(place, fields, ["username", "password"]);
  const { username, password } = fields;
  // A username becomes part of a stored key; a colon would end it on the wire (RFC 7617).
  if (typeof username !== "string" || !/^[\x21-\x39\x3b-\x7e]{1,63}$/.test(username))
    throw bad(`${place}.username must be 1 to 63 visible ASCII characters without a colon`);
  const digests = readSecrets(`${place}.password`, password, env).map((text) => digestOf(`${username}:${text}`));
  return { username, digests };
}

function readApiKey(reading: Reading): VerifySettings {
  const { place, fields } = reading;
  assertObject(place, fields, ["header", "query", "secret"]);
  const { header, query } = fields;
  if ((header === undefined) === (query === undefined))
    throw bad(`${place} takes either a header or a query parameter`);
  const digests = secretTexts(reading).map(digestOf);
  if (header !== undefined)
    return { kind: "apiKey", in: "header", name: readHeaderName(`${place}.header`, header), digests };
  if (typeof query !== "string" || !parameterRule.test(query))
    throw bad(`${place}.query must be a name of 1 to 128 visible ASCII characters`);
  return { kind: "apiKey", in: "query", name: query, digests };
}

function readSluiceKeys({ place, fields }: Reading): VerifySettings {
  assertObject(place, fields, []);
  return { kind: "sluiceKeys" };
}

function secretTexts({ place, fields, env }: Reading): readonly string[] {
  return readSecrets(`${place}.secret`, fields["secret"], env);
}

function keyOf(text: string): KeyObject {
  return createSecretKey(text, "utf8");
}

function webhookKeyOf(text: string, place: string): KeyObject {
  try {
    return createSecretKey(parseWebhookSecret(text));
  } catch {
    throw bad(`${place} must be ${webhookPrefix} and the base64 of 24 to 64 bytes`);
  }
}

function digestOf(text: string): Uint8Array {
  return hash("sha256", text, "buffer");
}

/** In lower case. Errors: `bad-config`. */
export function readHeaderName(place: string, value: unknown): string {
  if (!isHeaderName(value)) throw bad(`${place} must be the name of a header`);
  return value.toLowerCase();
}

function isHeaderName(value: unknown): value is string {
  return typeof value === "string" && /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/.test(value);
}
