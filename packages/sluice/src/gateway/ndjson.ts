// Reads the lines of a batch. Pure: bytes in, values or a SluiceError that names the line out.
import { SluiceError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import { isIdempotencyKey } from "../core/idempotency-key.ts";
import { isMediaType } from "../core/media-type.ts";
import type { PlacementTexts } from "../core/placement.ts";
import { bodyEventKey, eventKey, structuredType } from "./cloud-event.ts";
import { parseHeadersMember, typeNotAccepted } from "./intake-headers.ts";
import { elementsOf, membersOf } from "./json-member.ts";
import { parseJson } from "./json.ts";

export interface RawLine {
  /** From 1, blank lines counted. */
  readonly line: number;
  readonly bytes: Buffer;
}

export interface BatchLine {
  readonly line: number;
  readonly key: string | undefined;
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Those that it names. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** The URL as it was given. */
  readonly callback: string | undefined;
  /** As they were given; undefined where neither was. */
  readonly asked: PlacementTexts | undefined;
}

const newline = 0x0a;
const quote = 0x22;
const fields = [
  "key",
  "body",
  "bodyBase64",
  "contentType",
  "headers",
  "callback",
  "notBefore",
  "expires",
  "order",
  "group",
  "priority",
] as const;
const askedFields = [
  "notBefore",
  "expires",
  "order",
  "group",
  "priority",
] as const satisfies readonly (keyof PlacementTexts)[];
type Field = (typeof fields)[number];

/** The lines that are not blank. */
export function* splitLines(bytes: Buffer): Generator<RawLine> {
  let line = 1;
  let start = 0;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    if (byte === newline) {
      line += 1;
      start = at + 1;
    } else if (byte > 0x20) {
      const found = bytes.indexOf(newline, at);
      const end = found < 0 ? bytes.length : found;
      yield { line, bytes: bytes.subarray(start, end) };
      at = end - 1;
    }
  }
}

/** The events of a CloudEvents batch, one at a time and each yet to be parsed; `line` is the place of each, from 1. */
export function* splitEvents(bytes: Buffer): Generator<RawLine> {
  let line = 0;
  try {
    for (const element of elementsOf(bytes)) {
      line += 1;
      yield { line, bytes: element };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new SluiceError("bad-request", `a batch of CloudEvents is a JSON array: ${error.message}`);
  }
}

/** `{"key"?,"body"}` or `{"key"?,"bodyBase64","contentType"}`, with `"headers"?`, `"notBefore"?` and `"expires"?`. The line is parsed member by member: one too large is not. */
export function parseBatchLine({ line, bytes }: RawLine, bodyBytesMax: number): BatchLine {
  const bound = { line, bodyBytesMax };
  const members = membersOfLine(bytes, bound);
  const key = parseKey(members.key, line);
  const { contentType, body } =
    members.body === undefined ? base64Body(members, bound) : jsonBody(members.body, members, bound);
  return {
    line,
    key: key ?? keyOfBody(contentType, body, line),
    contentType,
    body,
    headers: parseHeaders(members.headers, line),
    callback: parseCallback(members.callback, line),
    asked: parseAsked(members, line),
  };
}

/** An event of a CloudEvents batch; it becomes a request as if it had come alone, in structured mode. */
export function parseBatchEvent({ line, bytes }: RawLine, bodyBytesMax: number): BatchLine {
  checkSize(bytes.length, { line, bodyBytesMax });
  const event = parseValue(bytes, line, "it");
  if (typeof event !== "object" || event === null || Array.isArray(event))
    throw lineError(line, "it must be a JSON object");
  return {
    line,
    key: eventKey(event),
    contentType: structuredType,
    body: bytes,
    headers: undefined,
    callback: undefined,
    asked: undefined,
  };
}

interface Bound {
  readonly line: number;
  readonly bodyBytesMax: number;
}

function checkSize(bodyBytes: number, { line, bodyBytesMax }: Bound): void {
  if (bodyBytes > bodyBytesMax) throw lineError(line, `a body may have up to ${bodyBytesMax} bytes`, "body-too-large");
}

/** The JSON of each field that the line has; of several of one name the last, as JSON.parse has it, and the others are JSON too. */
type Members = Partial<Record<Field, Buffer>>;

function membersOfLine(bytes: Buffer, bound: Bound): Members {
  const { line } = bound;
  const members: Members = {};
  let count = 0;
  try {
    for (const { name, value } of membersOf(bytes)) {
      count += 1;
      if (count > fields.length) throw lineError(line, `it may have at most ${fields.length} fields`);
      const field = parseField(name, line);
      const overwritten = members[field];
      if (overwritten !== undefined) {
        checkSize(overwritten.length, bound);
        parseValue(overwritten, line, `each ${field}`);
      }
      members[field] = value;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw lineError(line, `it must be a JSON object: ${error.message}`);
  }
  return members;
}

function parseField(quoted: Buffer, line: number): Field {
  const asWritten = fieldNamed(quoted.toString("latin1", 1, quoted.length - 1));
  if (asWritten !== undefined) return asWritten;
  const name = parseText(quoted, line, "the name of a field") ?? "";
  const field = fieldNamed(name);
  if (field === undefined) throw lineError(line, `there is no field "${name.slice(0, 80)}"`);
  return field;
}

function fieldNamed(name: string): Field | undefined {
  return fields.find((field) => field === name);
}

/** `what` names the value in an error. */
function parseValue(json: Buffer, line: number, what: string): unknown {
  const parsed = parseJson(json);
  if (parsed.kind === "json") return parsed.value;
  throw lineError(line, `${what} must be JSON: ${parsed.message}`);
}

/** Undefined for what is no text, and is not parsed. */
function parseText(json: Buffer, line: number, what: string): string | undefined {
  return json[0] === quote ? (parseValue(json, line, what) as string) : undefined;
}

function parseKey(json: Buffer | undefined, line: number): string | undefined {
  if (json === undefined) return undefined;
  const key = parseText(json, line, "its key");
  if (key !== undefined && isIdempotencyKey(key)) return key;
  throw lineError(line, "a key is 1 to 255 printable ASCII characters", "bad-key");
}

function parseHeaders(json: Buffer | undefined, line: number): BatchLine["headers"] {
  if (json === undefined) return undefined;
  const headers = parseHeadersMember(parseValue(json, line, "its headers"));
  if (typeof headers === "string") throw lineError(line, headers);
  return headers;
}

function parseCallback(json: Buffer | undefined, line: number): string | undefined {
  if (json === undefined) return undefined;
  const callback = parseText(json, line, "its callback");
  if (callback !== undefined) return callback;
  throw lineError(line, "a callback is a URL", "bad-callback");
}

function parseAsked(members: Members, line: number): PlacementTexts | undefined {
  if (askedFields.every((field) => members[field] === undefined)) return undefined;
  return Object.fromEntries(askedFields.map((field) => [field, parseAskedField(field, members[field], line)]));
}

function parseAskedField(
  field: (typeof askedFields)[number],
  json: Buffer | undefined,
  line: number,
): string | undefined {
  if (json === undefined) return undefined;
  const value = parseValue(json, line, `its ${field}`);
  if (field === "priority" && Number.isInteger(value)) return String(value);
  if (field !== "priority" && typeof value === "string") return value;
  throw lineError(line, field === "priority" ? "priority must be a number from 0 to 7" : `${field} must be a text`);
}

function keyOfBody(contentType: string, body: Uint8Array, line: number): string | undefined {
  try {
    return bodyEventKey(contentType, body);
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    throw lineError(line, error.message);
  }
}

interface LineBody {
  readonly contentType: string;
  readonly body: Uint8Array;
}

function jsonBody(body: Buffer, { bodyBase64, contentType }: Members, bound: Bound): LineBody {
  const { line } = bound;
  if (bodyBase64 !== undefined || contentType !== undefined) {
    throw lineError(line, "beside body neither bodyBase64 nor contentType may stand");
  }
  checkSize(body.length, bound);
  parseValue(body, line, "its body");
  return { contentType: "application/json", body };
}

function base64Body(members: Members, bound: Bound): LineBody {
  const { line } = bound;
  const base64 = members.bodyBase64 && parseText(members.bodyBase64, line, "its bodyBase64");
  if (base64 === undefined || !isBase64(base64)) {
    throw lineError(line, "it must have a body, or a bodyBase64 in base64 with a contentType");
  }
  const contentType = members.contentType && parseText(members.contentType, line, "its contentType");
  if (contentType === undefined) throw lineError(line, "bodyBase64 needs a contentType");
  if (!isMediaType(contentType)) {
    const { code, message } = typeNotAccepted(contentType);
    throw lineError(line, message, code);
  }
  const body = Buffer.from(base64, "base64");
  checkSize(body.length, bound);
  return { contentType, body };
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

/** An error that names the line of the batch. */
export function lineError(line: number, message: string, code: ErrorCode = "bad-batch-line"): SluiceError {
  return new SluiceError(code, `line ${line}: ${message}`, { fields: { line } });
}
