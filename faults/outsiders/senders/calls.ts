// Calls of each described operation: as they should be, and with hostile strings, numbers and headers in any place.
import type { DescribedOperation } from "@sluice/testing";
import fc from "fast-check";
import type { RawCall } from "./raw-call.ts";

/** What stands in a parameter when it is as it should be, by the parameter's name. */
export type Good = Readonly<Record<string, readonly [string, ...string[]]>>;

export interface Call extends RawCall {
  readonly operation: DescribedOperation;
  /** What the operation is not described with. */
  readonly unknown: string | undefined;
}

const numbers = ["-1", "0", "1.5", "1e400", "Infinity", "NaN", "0x10", "9007199254740993", "99999999999999999999"];
const paths = ["", " ", "\0", "%", "%00", "%zz", "../..", "..%2f", "__proto__", "constructor", "toString", "null"];
const texts = [
  "{",
  "[]",
  '"',
  "\u202e",
  "💥",
  "ä",
  "\u009b31m",
  "a\r\nx: y",
  "a\nb",
  "${7*7}",
  "'; DROP TABLE requests; --",
];
const hostile = fc.oneof(
  fc.constantFrom(...numbers, ...paths, ...texts),
  fc.string({ unit: "binary", maxLength: 40 }).map((text) => text.toWellFormed()),
  fc.double().map(String),
  fc.bigInt().map(String),
  fc.integer({ min: 100, max: 20_000 }).map((length) => "x".repeat(length)),
);

/** One fault in six places: of a call with many faults only the first is looked at. */
function mostly<Good, Fault>(good: fc.Arbitrary<Good>, fault: fc.Arbitrary<Fault>): fc.Arbitrary<Good | Fault> {
  return fc.oneof({ weight: 5, arbitrary: good }, { weight: 1, arbitrary: fault });
}

const nothing = fc.constant(undefined);

const value = fc.oneof(hostile, fc.jsonValue(), fc.double({ noNaN: true }), fc.constant(undefined));
const line = fc.oneof(
  fc.record({ key: value, body: value }).map((fields) => JSON.stringify(fields)),
  fc.record({ body: fc.jsonValue() }).map((fields) => JSON.stringify(fields)),
  fc.record({ bodyBase64: value, contentType: value, callback: value }).map((fields) => JSON.stringify(fields)),
  fc.record({ specversion: fc.constant("1.0"), source: value, id: value }).map((event) => JSON.stringify([event])),
  hostile,
);
const body = fc.oneof(
  fc.constant(""),
  fc.json(),
  fc.array(line, { maxLength: 5 }).map((lines) => lines.join("\n")),
  fc.record({ limit: value, error: value, dryRun: value, more: value }).map((order) => JSON.stringify(order)),
  fc.uint8Array({ maxLength: 200 }),
  fc.integer({ min: 1_000, max: 20_000 }).map((depth) => "[".repeat(depth)),
);

/** Headers that no operation is described with. */
const otherHeader: fc.Arbitrary<readonly [string, string]> = fc.oneof(
  fc.constantFrom<readonly [string, string]>(
    ["sluice-delay", "3s"],
    ["Sluice-Request-Id", "1"],
    ["content-encoding", "gzip"],
    ["content-length", "-1"],
    ["transfer-encoding", "gzip"],
    ["host", "b"],
    ["expect", "100-continue"],
    ["expect", "tea"],
    ["upgrade", "websocket"],
    ["accept", "text/html"],
    ["accept-encoding", "br;q=0, gzip"],
    ["range", "bytes=0-1"],
    ["origin", "null"],
    ["sec-fetch-site", "cross-site"],
  ),
  fc.tuple(
    fc.constantFrom("content-type", "traceparent", "tracestate", "ce-source", "ce-id", "if-none-match", "accept"),
    hostile,
  ),
);

export interface Drawn extends Call {
  readonly keyName: string;
}

/** Any call of these operations, by the owner of any of these keys. */
export function anyCall(
  operations: readonly DescribedOperation[],
  good: Good,
  keyNames: readonly string[],
): fc.Arbitrary<Drawn> {
  // The more parameters, the more often.
  const drawn = operations.flatMap((operation) => [operation, ...operation.parameters.map(() => operation)]);
  return fc.constantFrom(...drawn).chain((operation) => {
    const parameters = operation.parameters.map((parameter) => {
      const text = mostly(fc.constantFrom(...(good[parameter.name] ?? ["x"])), hostile);
      const given = parameter.in === "path" ? text : fc.oneof(text, nothing);
      return given.map((value) => ({ ...parameter, text: value }));
    });
    return fc
      .record({
        parameters: fc.tuple(...parameters),
        more: mostly(fc.constant([]), fc.array(otherHeader, { minLength: 1, maxLength: 2 })),
        query: mostly(nothing, fc.tuple(hostile, hostile)),
        type: mostly(fc.constantFrom("text/plain", ...operation.mediaTypes.filter((type) => type !== "*/*")), hostile),
        body,
        isBodyLate: fc.boolean(),
        keyName: fc.constantFrom(...keyNames),
      })
      .map(({ keyName, ...parts }) => {
        const call = { ...callOf(operation, parts), keyName };
        return { ...call, [fc.toStringMethod]: () => shown(call) };
      });
  });
}

function shown({ keyName, method, target, headers, body }: Drawn): string {
  const text = JSON.stringify({ keyName, method, target, headers, body: Buffer.from(body).toString("latin1") });
  return text.length > 2_000 ? `${text.slice(0, 2_000)}…` : text;
}

interface Parts {
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly text: string | undefined }[];
  readonly more?: readonly (readonly [string, string])[];
  readonly query?: readonly [string, string] | undefined;
  readonly type?: string;
  readonly body?: string | Uint8Array;
  readonly isBodyLate?: boolean;
}

/** As it should be. */
export function plainCall(operation: DescribedOperation, good: Good, body: string): Call {
  const parameters = operation.parameters
    .filter((parameter) => parameter.in === "path")
    .map((parameter) => ({ ...parameter, text: good[parameter.name]?.[0] }));
  const [type = "application/json"] = operation.mediaTypes;
  return callOf(operation, { parameters, type, body });
}

function callOf(operation: DescribedOperation, parts: Parts): Call {
  const { parameters, more = [], query, type, body = "", isBodyLate = false } = parts;
  let target = operation.path;
  const search: string[] = [];
  const headers = [...more];
  for (const { name, in: place, text } of parameters) {
    if (text === undefined) continue;
    if (place === "path") target = target.replace(`{${name}}`, () => encodeURIComponent(text));
    else if (place === "query") search.push(`${name}=${encodeURIComponent(text)}`);
    else headers.push([name, text]);
  }
  if (query !== undefined) search.push(query.map(encodeURIComponent).join("="));
  const bytes = Buffer.from(body);
  if (bytes.length > 0 && type !== undefined) headers.push(["content-type", type]);
  const known = new Set(operation.parameters.map(({ name }) => name.toLowerCase()));
  return {
    operation,
    method: operation.method,
    target: search.length === 0 ? target : `${target}?${search.join("&")}`,
    headers,
    body: bytes,
    // Of a GET it would come after its answer: the system may then throw away what is left of that.
    isBodyLate: isBodyLate && operation.method === "POST",
    unknown:
      query !== undefined && !known.has(query[0])
        ? query[0]
        : headers.map(([name]) => name).find((name) => name === "sluice-delay"),
  };
}
