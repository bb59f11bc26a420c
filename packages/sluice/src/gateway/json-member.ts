// Cuts a value out of JSON as it was sent: parsing and writing it again would lose the digits that a double
// cannot hold. Works on bytes, since all that structures JSON is ASCII, and copies none. They must be valid
// JSON, checked by JSON.parse.

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;
const openers: ReadonlySet<number | undefined> = new Set([0x5b, 0x7b]); // [ {
const closers: ReadonlySet<number | undefined> = new Set([0x5d, 0x7d]); // ] }

/** The bytes of each element of an array, not copied. */
export function* elementBytes(json: Buffer): Generator<Buffer> {
  let at = skipSpace(json, json.indexOf("[") + 1);
  while (json[at] !== undefined && !closers.has(json[at])) {
    const end = valueEnd(json, at);
    yield json.subarray(at, end);
    at = skipSpace(json, end);
    if (json[at] === comma) at = skipSpace(json, at + 1);
  }
}

/** The bytes of the member's value, not copied; of several of that name the last, as JSON.parse has it. */
export function memberBytes(json: Buffer, name: string): Buffer | undefined {
  let found: Buffer | undefined;
  let at = skipSpace(json, json.indexOf("{") + 1);
  while (json[at] === quote) {
    const nameEnd = stringEnd(json, at);
    const valueStart = skipSpace(json, skipSpace(json, nameEnd) + 1);
    const end = valueEnd(json, valueStart);
    if (JSON.parse(json.toString("utf8", at, nameEnd)) === name) found = json.subarray(valueStart, end);
    at = skipSpace(json, end);
    if (json[at] === comma) at = skipSpace(json, at + 1);
  }
  return found;
}

function skipSpace(json: Buffer, from: number): number {
  let at = from;
  while ((json[at] as number) <= 0x20) at += 1;
  return at;
}

/** Just behind the closing quote of the string that begins here. */
function stringEnd(json: Buffer, from: number): number {
  let at = from + 1;
  while (json[at] !== quote) at += json[at] === backslash ? 2 : 1;
  return at + 1;
}

function valueEnd(json: Buffer, from: number): number {
  if (json[from] === quote) return stringEnd(json, from);
  if (openers.has(json[from])) return containerEnd(json, from);
  let at = from;
  while ((json[at] as number) > 0x20 && json[at] !== comma && !closers.has(json[at])) at += 1;
  return at;
}

function containerEnd(json: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  do {
    if (openers.has(json[at])) depth += 1;
    if (closers.has(json[at])) depth -= 1;
    at = json[at] === quote ? stringEnd(json, at) : at + 1;
  } while (depth > 0);
  return at;
}
