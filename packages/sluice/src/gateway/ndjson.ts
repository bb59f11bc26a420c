// Reads the lines of a batch. Pure: bytes in, values or a SluiceError that names the line out.
import { SluiceError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import { isIdempotencyKey } from "../core/idempotency-key.ts";
import { isMediaType } from "../core/media-type.ts";
import { bodyEventKey, eventKey, structuredType } from "./cloud-event.ts";
import { typeNotAccepted } from "./intake-headers.ts";
import { elementBytes, memberBytes } from "./json-member.ts";
import { parseJson } from "./schema-check.ts";

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
  /** The URL as it was given. */
  readonly callback: string | undefined;
}

const newline = 0x0a;
const fields = ["key", "body", "bodyBase64", "contentType", "callback"];

/** The lines that are not blank. */
export function* splitLines(bytes: Buffer): Generator<RawLine> {
  let start = 0;
  for (let line = 1; start < bytes.length; line += 1) {
    const found = bytes.indexOf(newline, start);
    const end = found < 0 ? bytes.length : found;
    if (!isBlank(bytes, start, end)) yield { line, bytes: bytes.subarray(start, end) };
    start = end + 1;
  }
}

/** The events of a CloudEvents batch; `line` is the place of each, from 1. */
export function* splitEvents(bytes: Buffer): Generator<RawLine> {
  const parsed = parseJson(bytes);
  if (parsed.kind === "unreadable" || !Array.isArray(parsed.value))
    throw new SluiceError("bad-request", "a batch of CloudEvents is a JSON array");
  let line = 0;
  for (const element of elementBytes(bytes)) {
    line += 1;
    yield { line, bytes: element };
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) if ((bytes[at] as number) > 0x20) return false;
  return true;
}

/** `{"key"?,"body"}` or `{"key"?,"bodyBase64","contentType"}`. */
export function parseBatchLine({ line, bytes }: RawLine, bodyBytesMax: number): BatchLine {
  const value = parseObject(bytes, line);
  checkFields(value, line);
  const key = parseKey(value["key"], line);
  const { contentType, body } = "body" in value ? jsonBody(value, bytes, line) : base64Body(value, line);
  checkSize(body, { line, bodyBytesMax });
  return {
    line,
    key: key ?? bodyEventKey(contentType, body),
    contentType,
    body,
    callback: parseCallback(value["callback"], line),
  };
}

/** An event of a CloudEvents batch; it becomes a request as if it had come alone, in structured mode. */
export function parseBatchEvent({ line, bytes }: RawLine, bodyBytesMax: number): BatchLine {
  const event = parseObject(bytes, line);
  checkSize(bytes, { line, bodyBytesMax });
  return { line, key: eventKey(event), contentType: structuredType, body: bytes, callback: undefined };
}

function checkSize(
  body: Uint8Array,
  { line, bodyBytesMax }: { readonly line: number; readonly bodyBytesMax: number },
): void {
  if (body.length > bodyBytesMax)
    throw lineError("body-too-large", line, `a body may have up to ${bodyBytesMax} bytes`);
}

type Members = Readonly<Record<string, unknown>>;

function parseObject(bytes: Buffer, line: number): Members {
  const parsed = parseJson(bytes);
  if (parsed.kind === "unreadable") throw lineError("bad-batch-line", line, `it must be JSON: ${parsed.message}`);
  const { value } = parsed;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Members;
  throw lineError("bad-batch-line", line, "it must be a JSON object");
}

function checkFields(value: Members, line: number): void {
  const unknownField = Object.keys(value).find((name) => !fields.includes(name));
  if (unknownField !== undefined)
    throw lineError("bad-batch-line", line, `there is no field "${unknownField.slice(0, 80)}"`);
}

function parseKey(key: unknown, line: number): string | undefined {
  if (key === undefined) return undefined;
  if (typeof key === "string" && isIdempotencyKey(key)) return key;
  throw lineError("bad-key", line, "a key is 1 to 255 printable ASCII characters");
}

function parseCallback(callback: unknown, line: number): string | undefined {
  if (callback === undefined || typeof callback === "string") return callback;
  throw lineError("bad-callback", line, "a callback is a URL");
}

interface LineBody {
  readonly contentType: string;
  readonly body: Uint8Array;
}

function jsonBody(value: Members, bytes: Buffer, line: number): LineBody {
  if ("bodyBase64" in value || "contentType" in value) {
    throw lineError("bad-batch-line", line, "beside body neither bodyBase64 nor contentType may stand");
  }
  return { contentType: "application/json", body: memberBytes(bytes, "body") as Buffer };
}

function base64Body({ bodyBase64, contentType }: Members, line: number): LineBody {
  if (typeof bodyBase64 !== "string" || !isBase64(bodyBase64)) {
    throw lineError("bad-batch-line", line, "it must have a body, or a bodyBase64 in base64 with a contentType");
  }
  if (typeof contentType !== "string") throw lineError("bad-batch-line", line, "bodyBase64 needs a contentType");
  if (!isMediaType(contentType)) {
    const { code, message } = typeNotAccepted(contentType);
    throw lineError(code, line, message);
  }
  return { contentType, body: Buffer.from(bodyBase64, "base64") };
}

function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

/** An error that names the line of the batch. */
function lineError(code: ErrorCode, line: number, message: string): SluiceError {
  return new SluiceError(code, `line ${line}: ${message}`, { fields: { line } });
}
