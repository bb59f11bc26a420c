// What a route reads of a front request, above all its key. Two ids never become one key: of a number the digits count that were sent, and
// what could be read in two ways is refused.
import { hash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { SluiceError } from "../../core/errors.ts";
import { isIdempotencyKey, keyLengthMax, parseIdempotencyKey } from "../../core/idempotency-key.ts";
import { elementsOf, membersOf } from "../json-member.ts";
import { headerOf, queryValues } from "./verify/signed-call.ts";

export type KeySource = ValueSource | { readonly kind: "bodyHash" };

/** What the sender wrote itself. */
export type ValueSource =
  | { readonly kind: "header"; readonly name: string }
  | { readonly kind: "query"; readonly name: string }
  | JsonSource;

interface JsonSource {
  readonly kind: "json";
  /** As it was written, for errors. */
  readonly pointer: string;
  /** Its reference tokens, without escapes. */
  readonly tokens: readonly string[];
  readonly isOptional: boolean;
}

export interface KeyedCall {
  readonly headers: IncomingHttpHeaders;
  /** With its query, as it was sent. */
  readonly path: string;
  readonly body: Uint8Array;
}

/**
 * Reads the key of a call. Undefined where the header, the parameter or an optional member is missing. Errors: `bad-key` for what
 * cannot be a key, `bad-request` for a body without the member.
 */
export function sourceOf(source: KeySource): (call: KeyedCall) => string | undefined {
  if (source.kind === "bodyHash") return ({ body }) => hash("sha256", body, "hex");
  const read = valueIn(source);
  const parse = source.kind === "header" ? parseIdempotencyKey : keyAsSent;
  return (call) => {
    const sent = read(call);
    if (sent === undefined) return undefined;
    const key = parse(sent.text);
    if (key === undefined) throw badKey(sent.place);
    return key;
  };
}

function keyAsSent(text: string): string | undefined {
  return isIdempotencyKey(text) ? text : undefined;
}

export interface SentValue {
  /** The name of the header or parameter, or the pointer. */
  readonly parameter: string;
  /** The same in words. */
  readonly place: string;
  readonly text: string;
}

/** As `sourceOf`, of any text. */
export function valueIn(source: ValueSource): (call: KeyedCall) => SentValue | undefined {
  switch (source.kind) {
    case "header":
      return (call) => valueOfHeader(source.name, call);
    case "query":
      return (call) => valueOfQuery(source.name, call);
    case "json":
      return (call) => valueOfJson(source, call);
    default:
      return source satisfies never;
  }
}

function valueOfHeader(name: string, call: KeyedCall): SentValue | undefined {
  const text = headerOf(call, name);
  return text === undefined ? undefined : { parameter: name, place: `the header ${name}`, text };
}

function valueOfQuery(name: string, { path }: KeyedCall): SentValue | undefined {
  const [text, ...others] = queryValues(path, name);
  const place = `the query parameter ${JSON.stringify(name)}`;
  if (others.length > 0) throw new SluiceError("bad-request", `${place} appears more than once`);
  return text === undefined ? undefined : { parameter: name, place, text };
}

function valueOfJson(source: JsonSource, { body }: KeyedCall): SentValue | undefined {
  const place = `the JSON pointer ${JSON.stringify(source.pointer)}`;
  const found = findScalar(source.tokens, Buffer.from(body.buffer, body.byteOffset, body.byteLength));
  switch (found.kind) {
    case "found":
      return { parameter: source.pointer, place, text: found.text };
    case "repeated":
      throw new SluiceError("bad-request", `${place} is ambiguous: the body has a member on its path more than once`);
    case "too-wide":
      throw new SluiceError("bad-request", `${place} leads through an object with over ${membersMax} members`);
    case "missing":
      if (source.isOptional) return undefined;
      throw new SluiceError("bad-request", `the body has no text, number or boolean at ${place}`);
    default:
      return found satisfies never;
  }
}

function badKey(place: string): SluiceError {
  return new SluiceError(
    "bad-key",
    `the value of ${place} is not a valid key: a key is 1 to ${keyLengthMax} printable ASCII characters`,
  );
}

type Found =
  | { readonly kind: "found"; readonly text: string }
  | { readonly kind: "repeated" | "too-wide" }
  | { readonly kind: "missing" };

/** Looks only at what is on the way: the rest of the body need not be JSON, and costs no memory. */
function findScalar(tokens: readonly string[], json: Buffer): Found {
  try {
    let value = json;
    for (const token of tokens) {
      const next = isArray(value) ? elementAt(token, value) : memberOf(token, value);
      if (next === undefined) return { kind: "missing" };
      if (next === "repeated" || next === "too-wide") return { kind: next };
      value = next;
    }
    return readScalar(value);
  } catch (error) {
    if (error instanceof SyntaxError) return { kind: "missing" }; // it is not JSON, or has no members there
    throw error;
  }
}

function isArray(json: Buffer): boolean {
  return /^[ \t\r\n]*\[/.test(json.toString("latin1", 0, 1_000));
}

/** What an object on the way may have, and an array up to its index: more would keep other callers waiting. */
const membersMax = 100_000;

const indexRule = /^(?:0|[1-9]\d{0,4})$/;

function elementAt(token: string, array: Buffer): Buffer | undefined {
  if (!indexRule.test(token)) return undefined;
  let index = 0;
  for (const element of elementsOf(array)) {
    if (index === Number(token)) return element;
    index += 1;
  }
  return undefined;
}

/** Parsers differ in which of two members with one name they take: with another one than B's, two requests would share a key. */
function memberOf(token: string, object: Buffer): Buffer | "repeated" | "too-wide" | undefined {
  const plain = Buffer.from(JSON.stringify(token));
  let found: Buffer | undefined;
  let members = 0;
  for (const { name, value } of membersOf(object)) {
    if (++members > membersMax) return "too-wide";
    const isIt = name.equals(plain) || (name.includes(backslash) && JSON.parse(name.toString()) === token);
    if (!isIt) continue;
    if (found !== undefined) return "repeated";
    found = value;
  }
  return found;
}

const backslash = 0x5c;

/** The value of a text; a number or a boolean as it was written. Throws for what is not JSON. */
function readScalar(raw: Buffer): Found {
  const text = raw.toString();
  if (/^[ \t\r\n]*[{[]/.test(text)) return { kind: "missing" };
  const value: unknown = JSON.parse(text);
  if (typeof value === "string") return { kind: "found", text: value };
  if (typeof value === "number" || typeof value === "boolean") return { kind: "found", text: text.trim() };
  return { kind: "missing" };
}
