// Calls of the front as bytes: methods, targets, headers and framings as they should be, and hostile ones in any place.
import { createHmac } from "node:crypto";
import { METHODS } from "node:http";
import fc from "fast-check";

export interface FrontCall {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  readonly framing: Framing;
  /** How often it is sent on its connection, one right behind the other. */
  readonly copies: number;
}

/** A body that comes whole has the bytes that are counted; one that does not must never be stored. */
const framings = {
  length: { isWhole: true, head: ({ length }) => `content-length: ${length}\r\n`, sent: (body) => body },
  chunks: { isWhole: true, head: () => "transfer-encoding: chunked\r\n", sent: (body) => chunked(body, "0\r\n\r\n") },
  trailers: {
    isWhole: true,
    head: () => "transfer-encoding: chunked\r\ntrailer: x-late\r\n",
    sent: (body) => chunked(body, "0;x=y\r\nx-late: 1\r\ncontent-length: 3\r\n\r\n"),
  },
  cut: { isWhole: false, head: ({ length }) => `content-length: ${length + 1}\r\n`, sent: (body) => body },
  "cut chunks": {
    isWhole: false,
    head: () => "transfer-encoding: chunked\r\n",
    sent: (body) => chunked(body, "5\r\nab"),
  },
  "bad chunks": {
    isWhole: false,
    head: () => "transfer-encoding: chunked\r\n",
    sent: (body) => chunked(body, "zz\r\n"),
  },
  "a length and chunks": {
    isWhole: false,
    head: ({ length }) => `content-length: ${length}\r\ntransfer-encoding: chunked\r\n`,
    sent: (body) => chunked(body, "0\r\n\r\n"),
  },
  "two lengths": {
    isWhole: false,
    head: ({ length }) => `content-length: ${length}\r\ncontent-length: ${length + 2}\r\n`,
    sent: (body) => body,
  },
  "an unknown coding": { isWhole: false, head: () => "transfer-encoding: xchunked\r\n", sent: (body) => body },
} as const satisfies Record<
  string,
  { isWhole: boolean; head: (body: Uint8Array) => string; sent: (body: Uint8Array) => Uint8Array }
>;
export type Framing = keyof typeof framings;

function chunked(body: Uint8Array, end: string): Uint8Array {
  const chunk =
    body.length === 0 ? "" : `${body.length.toString(16)};a=b\r\n${Buffer.from(body).toString("latin1")}\r\n`;
  return Buffer.from(`${chunk}${end}`, "latin1");
}

export function isWhole({ framing }: Pick<FrontCall, "framing">): boolean {
  return framings[framing].isWhole;
}

/** What goes over the connection. `number` is kept with what is stored of it. */
export function bytesOf({ method, target, headers, body, framing, copies }: FrontCall, number: number): Buffer {
  const { head, sent } = framings[framing];
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const start = `${method} ${target} HTTP/1.1\r\nhost: front.example\r\nx-call: ${number}\r\n${lines}${head(body)}\r\n`;
  const one = Buffer.concat([Buffer.from(start, "latin1"), sent(body)]);
  return Buffer.concat(Array.from({ length: copies }, () => one));
}

export function signatureOf(body: Uint8Array): string {
  return `sha256=${createHmac("sha256", "password").update(body).digest("hex")}`;
}

const names = ["__proto__", "constructor", "hasOwnProperty", "toString", "valueOf"];
const hostile = fc.oneof(
  fc.constantFrom(
    ...names,
    "",
    "-1",
    "1e400",
    "NaN",
    "%",
    "%00",
    "%zz",
    "%2e%2e",
    "..;a",
    "{",
    '"',
    "\xff\xfe",
    "null",
  ),
  fc.string({ unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 30 }),
  fc.integer({ min: 100, max: 20_000 }).map((length) => "x".repeat(length)),
);
/** What would end its line is for the framings to say. */
const oneLine = hostile.map((text) => text.replaceAll(/[\r\n]/g, ""));

function mostly<Good, Fault>(good: fc.Arbitrary<Good>, fault: fc.Arbitrary<Fault>): fc.Arbitrary<Good | Fault> {
  return fc.oneof({ weight: 6, arbitrary: good }, { weight: 1, arbitrary: fault });
}

const method = mostly(
  fc.constantFrom("POST", "POST", "POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "OPTIONS"),
  fc.constantFrom(...METHODS, "post", "FOO", "PRI"),
);
const places = ["/b/x", "/basic/x", "/key/x", "/github", "/slack", "/graph", "/json", "/both", "/small", "/handled/a"];
const querying = fc.constantFrom(
  "",
  "?key=password",
  "?k%65y=password&key=",
  "?validationToken=<script>",
  "?id=1",
  "?%",
);
const target = mostly(
  fc.tuple(fc.constantFrom(...places), querying).map((parts) => parts.join("")),
  fc.oneof(
    fc
      .tuple(fc.constantFrom(...places, "", "//x", "http://b.example", "http://me@b", "*"), oneLine)
      .map((all) => all.join("/")),
    fc.constantFrom("*", "/", "//", "/b/../github", "/B/x", "/v1/queues", "/github;a", "/%67ithub", "/metrics", "?a"),
  ),
);
const header = fc.oneof(
  fc.constantFrom<readonly [string, string]>(
    ["prefer", "wait=1"],
    ["prefer", "wait=99999999999, wait=-1"],
    ["idempotency-key", "a"],
    ["idempotency-key", '"'],
    ["expect", "100-continue"],
    ["expect", "nothing"],
    ["connection", "x-a, content-length, host"],
    ["connection", "upgrade"],
    ["upgrade", "h2c"],
    ["te", "trailers"],
    ["content-type", "application/json"],
    ["content-type", "no type"],
    ["content-encoding", "gzip"],
    ["authorization", `Basic ${Buffer.from("me:password").toString("base64")}`],
    ["authorization", "Bearer x"],
    ["x-github-delivery", "1"],
    ["x-forwarded-for", "1.2.3.4, unknown, [::1]"],
    ["forwarded", 'for="[::1]";host="\\";proto=x'],
    ["host", "another.example"],
    ["sluice-callback", "http://127.0.0.1/"],
    ["cookie", "a=b"],
  ),
  fc.tuple(fc.constantFrom(...names, "x-a", "x-slack-signature", "x-slack-request-timestamp", "via"), oneLine),
);
const body = fc.oneof(
  fc.json().map((text) => Buffer.from(text)),
  fc.constantFrom('{"id":1}', '{"a":[{"id":"1"}]}', '{"a":[{"id":1,"id":2}]}', "").map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 200 }),
  fc.integer({ min: 1_000, max: 20_000 }).map((depth) => Buffer.from('{"a":'.repeat(depth))),
  fc.integer({ min: 1_000, max: 20_000 }).map((length) => Buffer.from(`{"a":[{"id":"${"9".repeat(length)}"}]}`)),
);
const framing = mostly(fc.constant<Framing>("length"), fc.constantFrom(...(Object.keys(framings) as Framing[])));

/** A third of those that a signature is for are signed, some of them over other bytes. */
export const anyFrontCall: fc.Arbitrary<FrontCall> = fc
  .record({
    method,
    target,
    headers: fc.array(header, { maxLength: 4 }),
    body,
    framing,
    copies: fc.constantFrom(1, 1, 1, 1, 2, 3),
    signs: fc.constantFrom("nothing", "this", "another"),
  })
  .map(({ signs, ...drawn }) => {
    // The next one would give the cut one the byte that it lacks.
    const call = isWhole(drawn) ? drawn : { ...drawn, copies: 1 };
    if (signs === "nothing") return call;
    const signed = signs === "this" ? call.body : Buffer.concat([call.body, Buffer.from(" ")]);
    return { ...call, headers: [...call.headers, ["x-hub-signature-256", signatureOf(signed)] as const] };
  });
