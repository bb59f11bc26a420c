// Finds values in JSON as it was sent: parsing and writing it again would lose the digits that a double cannot hold, and
// parsing it to learn how large its parts are would be dear. Works on bytes, since all that structures JSON is ASCII, and
// copies none. What is found is JSON if the parts are: each is yet to be parsed, and the whole need not be.

export interface Member {
  /** With its quotes. */
  readonly name: Buffer;
  readonly value: Buffer;
}

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

/** The bytes of each element of an array; throws a SyntaxError where it is none. */
export function* elementsOf(json: Buffer): Generator<Buffer> {
  let at = behind(json, 0, openBracket);
  for (let isMore = json[at] !== closeBracket; isMore;) {
    const end = valueEnd(json, at);
    yield json.subarray(at, end);
    at = skipSpace(json, end);
    isMore = json[at] === comma;
    if (isMore) at = skipSpace(json, at + 1);
  }
  checkEnd(json, behind(json, at, closeBracket));
}

/** Each member of an object; throws a SyntaxError where it is none. */
export function* membersOf(json: Buffer): Generator<Member> {
  let at = behind(json, 0, openBrace);
  for (let isMore = json[at] !== closeBrace; isMore;) {
    if (json[at] !== quote) throw unexpected(json, at);
    const nameEnd = stringEnd(json, at);
    const start = behind(json, nameEnd, colon);
    const end = valueEnd(json, start);
    yield { name: json.subarray(at, nameEnd), value: json.subarray(start, end) };
    at = skipSpace(json, end);
    isMore = json[at] === comma;
    if (isMore) at = skipSpace(json, at + 1);
  }
  checkEnd(json, behind(json, at, closeBrace));
}

/** Whether arrays and objects are nested deeper than this, up to where it stops being JSON. */
export function isDeeper(json: Uint8Array, levelsMax: number): boolean {
  if (json.length <= levelsMax) return false;
  let depth = 0;
  let at = 0;
  while (at < json.length) {
    const byte = json[at];
    if (byte === quote) {
      at = stringEnd(json, at);
      continue;
    }
    if (byte === openBracket || byte === openBrace) depth += 1;
    else if (byte === closeBracket || byte === closeBrace) depth -= 1;
    if (depth > levelsMax) return true;
    at += 1;
  }
  return false;
}

/** The next place that is no space behind this byte, which must come next. */
function behind(json: Buffer, from: number, byte: number): number {
  const at = skipSpace(json, from);
  if (json[at] !== byte) throw unexpected(json, at);
  return skipSpace(json, at + 1);
}

function checkEnd(json: Buffer, at: number): void {
  if (at < json.length) throw unexpected(json, at);
}

function unexpected(json: Buffer, at: number): SyntaxError {
  if (at >= json.length) return new SyntaxError("it ends too early");
  return new SyntaxError(`unexpected "${json.toString("utf8", at, at + 20)}" at byte ${at}`);
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipSpace(json: Buffer, from: number): number {
  let at = from;
  while (at < json.length && isSpace(json[at])) at += 1;
  return at;
}

/** Just behind the closing quote of the string that begins here, or the end. */
function stringEnd(json: Uint8Array, from: number): number {
  let at = from + 1;
  while (at < json.length && json[at] !== quote) at += json[at] === backslash ? 2 : 1;
  return Math.min(at + 1, json.length);
}

function valueEnd(json: Buffer, from: number): number {
  const first = json[from];
  if (first === quote) return stringEnd(json, from);
  if (first === openBracket || first === openBrace) return containerEnd(json, from);
  let at = from;
  while (at < json.length && !isSpace(json[at]) && !endsScalar(json[at])) at += 1;
  return at;
}

function endsScalar(byte: number | undefined): boolean {
  return byte === comma || byte === closeBracket || byte === closeBrace;
}

function containerEnd(json: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  while (at < json.length) {
    const byte = json[at];
    if (byte === quote) {
      at = stringEnd(json, at);
      continue;
    }
    at += 1;
    if (byte === openBracket || byte === openBrace) depth += 1;
    else if ((byte === closeBracket || byte === closeBrace) && --depth === 0) return at;
  }
  return at;
}
