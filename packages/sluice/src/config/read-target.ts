// A queue's target, and whether it may be called.
import { isIP } from "node:net";
import { SluiceError } from "../core/errors.ts";
import { headerRule, hopByHopNames, isHeaderName, isHeaderValue, type HeaderRule } from "../core/header-names.ts";
import { wrong } from "../core/setting.ts";
import type { WebhookSecret } from "../core/webhook-signature.ts";
import { readNamedFileSync } from "../files/read-file.ts";
import { addressRule, hostOf, refusalOfUrl, type AddressOptions, type AddressRule } from "../outbound/address-rule.ts";
import type { TlsOptions } from "../outbound/guarded-agent.ts";
import { plainTarget, usualEndOf, type Target, type TargetEnd } from "../outbound/target.ts";
import type { TargetConfig, TargetsConfig, TargetTlsConfig } from "./config.ts";
import type { Overrides } from "./overrides.ts";
import { readWebhookSecrets } from "./read-callbacks.ts";
import { guarded } from "./read-descriptor.ts";
import { readSecrets } from "./read-secrets.ts";
import { assertObject, readText, readTexts } from "./read-value.ts";
import type { Environment } from "./secret.ts";

const targetsFields = ["schemes", "hosts", "allow"];
const targetFields = ["url", "method", "headers", "path", "forward", "sign", "tls", "statuses", "keepResultHeaders"];
const tlsFields = ["ca", "cert", "key"];
const ends = ["done", "retry", "dead"] as const satisfies readonly TargetEnd[];

const headersMax = 100;
const headerBytesMax = 16 * 1024;
const pemBytesMax = 1024 * 1024;

/** What every call has of its own, so that nobody sets it. */
const ownNames: ReadonlySet<string> = new Set([
  ...hopByHopNames,
  "accept-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "idempotency-key",
  "sluice-attempt",
  "sluice-request-id",
]);
const methodName = /^[A-Z][A-Z-]{0,31}$/;
const methodsWithout: ReadonlySet<string> = new Set(["CONNECT", "TRACE", "GET", "HEAD", "OPTIONS"]);

/** What the file and the flags say of addresses. Errors: `bad-config`. */
export function readTargets(targets: TargetsConfig = {}, { targetAllow }: Overrides): AddressOptions {
  assertObject("targets", targets, targetsFields);
  for (const [field, texts] of Object.entries(targets)) readTexts(`targets.${field}`, texts);
  const allow = targetAllow?.split(",").map((entry) => entry.trim()) ?? targets.allow;
  addressRule({ ...targets, allow }); // so that a wrong one is told even where no queue has a target
  return { ...targets, allow };
}

export interface TargetPlace {
  readonly addresses: AddressOptions;
  readonly env: Environment;
}

/** Errors: `bad-config`, without any secret. */
export function readTarget(place: string, given: string | TargetConfig, around: TargetPlace): Target {
  return guarded(place, () => readFields(place, given, around));
}

function readFields(place: string, given: string | TargetConfig, { addresses, env }: TargetPlace): Target {
  if (typeof given !== "string") assertObject(place, given, targetFields);
  const target = typeof given === "string" ? { url: given } : given;
  const at = (field: string): string => (typeof given === "string" ? place : `${place}.${field}`);
  const { path, forward, keepResultHeaders, sign } = target;
  const plain = plainTarget(...readAddress(at("url"), target.url, addresses));
  return {
    ...plain,
    tls: target.tls && readTls(at("tls"), target.tls),
    method: readMethod(at("method"), target.method),
    headers: { ...credentialsIn(plain.url), ...readHeaders(at("headers"), target.headers, env) },
    secrets: sign === undefined ? [] : readSign(at("sign"), sign, env),
    endOf: readStatuses(at("statuses"), target.statuses),
    ...(path !== undefined && { appendsPath: readPath(at("path"), path, plain.url) }),
    ...(forward !== undefined && { forwards: readRule(at("forward"), forward) }),
    ...(keepResultHeaders !== undefined && { keepsHeader: readRule(at("keepResultHeaders"), keepResultHeaders) }),
  };
}

function readAddress(place: string, text: unknown, options: AddressOptions): [url: URL, rule: AddressRule] {
  const url = typeof text === "string" && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw wrong(place, "must be an http or https URL", withoutCredentials(text));
  const rule = addressRule({ ...options, allow: [...(options.allow ?? []), ...impliedBy(url)] });
  const refusal = refusalOfUrl(url, rule);
  if (refusal !== undefined) throw new SluiceError("bad-config", `${place}: ${refusal.message}`);
  return [url, rule];
}

function withoutCredentials(text: unknown): unknown {
  return typeof text === "string" ? text.replace(/^.*@/s, "…@") : text;
}

/** A user and password in the URL, as any client sends them. */
function credentialsIn({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === "" && password === "") return {};
  const [user, secret] = [decoded(username), decoded(password)];
  return { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Who writes an address or localhost has said where it leads; a name may lead anywhere, and elsewhere tomorrow. */
function impliedBy({ hostname }: URL): readonly string[] {
  const host = hostOf(hostname);
  if (host === "localhost") return [host];
  if (isIP(host) === 0) return [];
  const isPrivate = refusalOfUrl(new URL(`http://${hostname}`), addressRule({ allow: ["private"] })) === undefined;
  return isPrivate ? [host] : []; // not where a cloud keeps credentials: that takes more words
}

function readMethod(place: string, method: unknown): string | undefined {
  if (method === undefined) return undefined;
  const isRight = typeof method === "string" && methodName.test(method) && !methodsWithout.has(method);
  if (!isRight) throw wrong(place, "must be a method that takes a body, such as POST or PUT", method);
  return method;
}

function readPath(place: string, path: unknown, { search }: URL): boolean {
  if (path !== "append" && path !== "fixed") throw wrong(place, 'is "append" or "fixed"', path);
  if (path === "append" && search !== "") throw wrong(place, "needs a url without a query", path);
  return path === "append";
}

function readRule(place: string, patterns: unknown): HeaderRule {
  return headerRule(readTexts(place, patterns), place);
}

function readSign(place: string, sign: NonNullable<TargetConfig["sign"]>, env: Environment): readonly WebhookSecret[] {
  return readWebhookSecrets(place, readSecrets(place, sign, env));
}

function readHeaders(place: string, given: unknown, env: Environment): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  if (given !== undefined) {
    if (typeof given !== "object" || given === null || Array.isArray(given))
      throw wrong(place, "must be an object", typeof given);
    for (const [name, value] of Object.entries(given)) {
      const at = `${place}.${name.slice(0, 80)}`;
      const [text = "", more] = readSecrets(at, value, env);
      if (more !== undefined) throw new SluiceError("bad-config", `${at} is one value, got a list`);
      addHeader(headers, at, name, text);
    }
  }
  const size = Object.entries(headers).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (Object.keys(headers).length <= headersMax && size <= headerBytesMax) return headers;
  throw new SluiceError(
    "bad-config",
    `${place} may have up to ${headersMax} headers of ${headerBytesMax} bytes together`,
  );
}

/** `Name: value`, as a flag or a line of a file has it. The value is a secret: no error shows it. */
export function readHeaderLines(place: string, lines: readonly string[]): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).trim();
    if (!isHeaderName(name.toLowerCase()))
      throw new SluiceError("bad-config", `${place} takes headers as "Name: value"`);
    addHeader(headers, `${place}, ${name}`, name, line.slice(colon + 1).trim());
  }
  return headers;
}

function addHeader(headers: Record<string, string>, place: string, name: string, value: string): void {
  const lower = name.toLowerCase();
  if (!isHeaderName(lower)) throw wrong(place, "must be the name of a header", name);
  if (ownNames.has(lower)) throw new SluiceError("bad-config", `${place} is set by Sluice itself`);
  if (!isHeaderValue(value) || value === "")
    throw new SluiceError("bad-config", `${place} must be a text without control characters, in Latin-1`);
  headers[lower] = value;
}

function readTls(place: string, tls: TargetTlsConfig): TlsOptions {
  assertObject(place, tls, tlsFields);
  const pem = (field: keyof TargetTlsConfig): Buffer | undefined => {
    const path = readText(`${place}.${field}`, tls[field]);
    return path === undefined
      ? undefined
      : readNamedFileSync({ what: `${place}.${field}`, path, bytesMax: pemBytesMax });
  };
  const [ca, cert, key] = [pem("ca"), pem("cert"), pem("key")];
  if ((cert === undefined) !== (key === undefined))
    throw new SluiceError("bad-config", `${place} needs cert and key, or neither`);
  return { ca, cert, key };
}

function readStatuses(place: string, statuses: TargetConfig["statuses"]): (status: number) => TargetEnd {
  if (statuses === undefined) return usualEndOf;
  assertObject(place, statuses, ends);
  const endBy = new Map<number, TargetEnd>();
  for (const end of ends)
    for (const status of statusesIn(`${place}.${end}`, statuses[end])) {
      if (endBy.has(status)) throw wrong(`${place}.${end}`, `is one of two lists with the same status`, status);
      endBy.set(status, end);
    }
  return (status) => endBy.get(status) ?? usualEndOf(status);
}

function statusesIn(place: string, listed: unknown): readonly number[] {
  if (listed === undefined) return [];
  if (!Array.isArray(listed)) throw wrong(place, "must be a list of statuses", listed);
  return Array.from(listed as unknown[], (status) => {
    if (Number.isInteger(status) && Number(status) >= 200 && Number(status) <= 599) return Number(status);
    throw wrong(place, "has statuses from 200 to 599", status);
  });
}
