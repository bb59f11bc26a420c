// What a hostile target says to one request: drawn at random, and turned into the bytes that go over the connection.
import type { Socket } from "node:net";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";

export interface Script {
  readonly interims: readonly string[];
  readonly version: "1.1" | "1.0";
  readonly status: number;
  readonly headers: readonly string[];
  readonly contentType: string;
  readonly retryAfter: number | "distant" | undefined;
  readonly body: Uint8Array;
  readonly coding: Coding;
  readonly framing: "length" | "chunked" | "close";
  readonly fault: Fault | undefined;
  /** The share of the bytes that is sent, and what becomes of the connection then. */
  readonly sent: number;
  readonly ending: "keep" | "close" | "reset";
  readonly pieces: "one" | "some" | "bytes";
}

const codings = {
  none: (bytes: Uint8Array) => bytes,
  gzip: gzipSync,
  "x-gzip": gzipSync,
  deflate: deflateSync,
  "deflate, gzip": (bytes: Uint8Array) => gzipSync(deflateRawSync(bytes)),
  br: brotliCompressSync,
  zstd: zstdCompressSync,
  "x-unknown": (bytes: Uint8Array) => bytes,
} as const satisfies Record<string, (bytes: Uint8Array) => Uint8Array>;
type Coding = keyof typeof codings;

/** How a response can be malformed: what of it goes over the connection instead. */
const faults = {
  nothing: () => "",
  garbage: () => "\x16\x03\x01\x02\0 what\r\n\r\n is\0this?\r\n\r\n",
  "another protocol": () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64",
  "an upgrade": ({ body }) => `HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n${body}`,
  "no status": ({ rest }) => `HTTP/1.1 OK${rest}`,
  "a long status": ({ rest }) => `HTTP/1.1 2000 OK${rest}`,
  "a version from the future": ({ status, rest }) => `HTTP/3.7 ${status} OK${rest}`,
  "lines that end with LF": ({ status, rest }) => `HTTP/1.1 ${status} OK${rest}`.replaceAll("\r\n", "\n"),
  "a header without a colon": ({ status, rest }) => `HTTP/1.1 ${status} OK\r\nnonsense${rest}`,
  "a space in a name": ({ status, rest }) => `HTTP/1.1 ${status} OK\r\nx y : z${rest}`,
  "a zero byte in a value": ({ status, rest }) => `HTTP/1.1 ${status} OK\r\nx-y: a\0b${rest}`,
  "a folded header": ({ status, rest }) => `HTTP/1.1 ${status} OK\r\nx-y: a\r\n  b${rest}`,
  "a megabyte of headers": ({ status, rest }) => `HTTP/1.1 ${status} OK\r\nx-y: ${"z".repeat(1_000_000)}${rest}`,
  "ten thousand headers": ({ status, rest }) => `HTTP/1.1 ${status} OK${"\r\nx: y".repeat(10_000)}${rest}`,
  "two lengths": ({ status, rest }) => `HTTP/1.1 ${status} OK\r\ncontent-length: 3\r\ncontent-length: 5${rest}`,
  "a length below zero": ({ status, body }) => `HTTP/1.1 ${status} OK\r\ncontent-length: -1\r\n\r\n${body}`,
  "a length that is a word": ({ status, body }) => `HTTP/1.1 ${status} OK\r\ncontent-length: all\r\n\r\n${body}`,
  "a length beyond all bounds": ({ status, body }) =>
    `HTTP/1.1 ${status} OK\r\ncontent-length: ${"9".repeat(40)}\r\n\r\n${body}`,
  "a length and chunks": ({ status, body }) =>
    `HTTP/1.1 ${status} OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n${chunked(body)}`,
  "chunks of no size": ({ status, body }) => `HTTP/1.1 ${status} OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n${body}`,
  "an endless chunk size": ({ status }) =>
    `HTTP/1.1 ${status} OK\r\ntransfer-encoding: chunked\r\n\r\n${"f".repeat(1_000)}`,
  "more than its length": ({ status, body }) =>
    `HTTP/1.1 ${status} OK\r\ncontent-length: ${body.length}\r\n\r\n${body}HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil`,
  "a body that is no gzip": ({ status, body }) =>
    `HTTP/1.1 ${status} OK\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length + 7}\r\n\r\nno gzip${body}`,
} as const satisfies Record<string, (told: { status: number; rest: string; body: string }) => string>;
export type Fault = keyof typeof faults;

const interim = fc.constantFrom(
  "HTTP/1.1 100 Continue\r\n\r\n",
  "HTTP/1.1 100 \r\nx: y\r\n\r\n",
  "HTTP/1.1 102 Processing\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n",
  "HTTP/1.1 199 Who Knows\r\n\r\n",
);
const status = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(200, 201, 202, 204, 205, 206, 299) },
  { weight: 4, arbitrary: fc.constantFrom(301, 304, 400, 404, 408, 410, 422, 425, 429, 499, 500, 502, 503, 504, 599) },
  { weight: 1, arbitrary: fc.integer({ min: 200, max: 999 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 7, 42, 99) },
);
const header = fc.constantFrom(
  "x-latin: \xE4\xF6\xFC",
  "x-empty:",
  "set-cookie: a=b",
  "__proto__: x",
  "constructor: x",
  "connection: close",
  "keep-alive: timeout=1",
  "keep-alive: timeout=nonsense",
  "trailer: x-late",
  "location: /elsewhere",
  "upgrade: h2c",
);
const contentType = fc.constantFrom(
  "application/json",
  'text/plain; charset="utf-8"',
  "*/*",
  "no type",
  "text/\xE4",
  "",
);

/** Any response that a target may give. A third of them are malformed, or do not come whole. */
export const anyScript: fc.Arbitrary<Script> = fc.record({
  interims: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(interim, { minLength: 1, maxLength: 3 })),
  version: fc.constantFrom("1.1", "1.1", "1.1", "1.0"),
  status,
  headers: fc.array(header, { maxLength: 3 }),
  contentType,
  retryAfter: fc.oneof(fc.constantFrom(undefined, "distant" as const), fc.nat({ max: 5_000 })),
  body: fc.oneof(
    fc.uint8Array({ maxLength: 1_100 }),
    fc.lorem().map((text) => Buffer.from(text)),
  ),
  coding: fc.constantFrom<Coding>("none", "none", "none", ...(Object.keys(codings) as Coding[])),
  framing: fc.constantFrom("length", "chunked", "close"),
  fault: fc.oneof(
    { weight: 4, arbitrary: fc.constant(undefined) },
    fc.constantFrom(...(Object.keys(faults) as Fault[])),
  ),
  sent: fc.oneof({ weight: 7, arbitrary: fc.constant(1) }, fc.double({ min: 0, max: 0.999, noNaN: true })),
  ending: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom("keep" as const, "close" as const) },
    fc.constant("reset" as const),
  ),
  pieces: fc.constantFrom("one", "some", "bytes"),
});

/** Statuses whose responses have no body. */
export function isBodiless({ status }: Script): boolean {
  return status === 204 || status === 304;
}

/** Everything up to the first byte of the body. */
export function headOf(script: Script): Buffer {
  const { interims, version, status, framing } = script;
  const coded = codings[script.coding](script.body);
  const lines = [`HTTP/${version} ${status} Any Reason`, ...headersOf(script)];
  if (!isBodiless(script) && framing === "length") lines.push(`content-length: ${coded.byteLength}`);
  if (!isBodiless(script) && framing === "chunked") lines.push("transfer-encoding: chunked");
  if (!isBodiless(script) && framing === "close") lines.push("connection: close");
  return Buffer.from(`${interims.join("")}${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

/** The bytes after the head, were they all sent. */
export function bodyOf(script: Script): Buffer {
  if (isBodiless(script)) return Buffer.alloc(0);
  const coded = Buffer.from(codings[script.coding](script.body));
  return script.framing === "chunked" ? Buffer.from(chunked(coded.toString("latin1")), "latin1") : coded;
}

/** What goes over the connection. */
export function bytesOf(script: Script): Buffer {
  const whole = script.fault === undefined ? Buffer.concat([headOf(script), bodyOf(script)]) : faultyBytes(script);
  return whole.subarray(0, Math.floor(whole.byteLength * script.sent));
}

function faultyBytes(script: Script): Buffer {
  const body = Buffer.from(script.body).toString("latin1");
  const rest = `\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const make = faults[script.fault as Fault];
  return Buffer.from(make({ status: script.status, rest, body }), "latin1");
}

function headersOf({ headers, contentType, retryAfter, coding }: Script): readonly string[] {
  return [
    ...headers,
    `content-type: ${contentType}`,
    ...(retryAfter === undefined ? [] : [`retry-after: ${retryAfter === "distant" ? "99999999999" : retryAfter}`]),
    ...(coding === "none" ? [] : [`content-encoding: ${coding}`]),
  ];
}

function chunked(body: string): string {
  const half = Math.ceil(body.length / 2);
  const chunks = [body.slice(0, half), body.slice(half)].filter((chunk) => chunk !== "");
  return `${chunks.map((chunk) => `${chunk.length.toString(16)};x=y\r\n${chunk}\r\n`).join("")}0\r\nx-late: yes\r\n\r\n`;
}

/** Says it over a connection; resolves once the last byte is with the system, or the other side has gone. */
export async function play(script: Script, socket: Socket): Promise<void> {
  const bytes = bytesOf(script);
  const { pieces, ending } = script;
  const step = pieces === "one" ? bytes.length : pieces === "some" || bytes.length > 600 ? bytes.length / 7 : 1;
  for (let at = 0; at < bytes.length && !socket.destroyed; at += Math.ceil(step)) {
    await new Promise((resolve) => socket.write(bytes.subarray(at, at + Math.ceil(step)), resolve));
    if (at + step < bytes.length) await new Promise(setImmediate);
  }
  if (ending === "close") socket.end();
  if (ending === "reset") socket.resetAndDestroy();
}
