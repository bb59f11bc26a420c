// Values that handlers throw and return, as orders that a request's body can carry. The odd ones are made by name, in the
// handler's own process.
import { Readable } from "node:stream";
import { Reject, RetryLater } from "sluice";

export type Made =
  | { readonly is: "json"; readonly value: unknown }
  | { readonly is: "odd"; readonly name: OddName }
  | { readonly is: "error" | "reject"; readonly message: Made }
  | { readonly is: "later"; readonly delay: Made }
  | { readonly is: "typed"; readonly body: Made; readonly contentType: Made }
  | { readonly is: "list"; readonly items: readonly Made[] }
  | { readonly is: "member"; readonly value: Made };

function bytes(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(64).fill(7);
}

function detach(buffer: ArrayBuffer): void {
  structuredClone(null, { transfer: [buffer] });
}

function detached(): Uint8Array {
  const view = bytes();
  detach(view.buffer);
  return view;
}

/** Bytes whose length changes once the handler has returned them. */
function resizing(length: number, when: (change: () => void) => unknown): Uint8Array {
  const buffer = new ArrayBuffer(64, { maxByteLength: 256 });
  when(() => buffer.resize(length));
  return new Uint8Array(buffer);
}

function fail(): never {
  throw new Error("a trap");
}

const throwingTraps: ProxyHandler<object> = { get: fail, has: fail, getPrototypeOf: fail, ownKeys: fail };

const odd = {
  undefined: () => undefined,
  symbol: () => Symbol("s"),
  bigint: () => 2n ** 70n,
  function: () => fail,
  nan: () => Number.NaN,
  infinity: () => Number.POSITIVE_INFINITY,
  "a fraction": () => 20.5,
  "below zero": () => -1.5,
  "a huge number": () => 1e300,
  "a long text": () => "x\0\ud800".repeat(30_000),
  "a longer text": () => "\u00e9".repeat(90_000),
  "no prototype": () => Object.create(null) as unknown,
  "a boxed number": () => Object(5) as unknown,
  "an invalid date": () => new Date(Number.NaN),
  "a map": () => new Map([["a", 1]]),
  "a set": () => new Set([1]),
  "a weak map": () => new WeakMap(),
  "a promise in an object": () => ({ total: Promise.resolve(5) }),
  "a regular expression": () => /x/,
  "an array buffer": () => bytes().buffer,
  "a shared buffer": () => new SharedArrayBuffer(64),
  "a view of a shared buffer": () => new Uint8Array(new SharedArrayBuffer(64), 8, 8),
  "a detached buffer": () => detached().buffer,
  "a detached view": () => detached(),
  "a data view": () => new DataView(bytes().buffer, 8),
  "bytes that shrink at once": () => resizing(8, queueMicrotask),
  "bytes that shrink later": () => resizing(8, setImmediate),
  "bytes that grow later": () => resizing(200, setImmediate),
  "bytes that are moved later": () => {
    const view = bytes();
    setImmediate(() => detach(view.buffer));
    return view;
  },
  "memory of WebAssembly": () => new Uint8Array(new WebAssembly.Memory({ initial: 1 }).buffer, 0, 16),
  floats: () => new Float64Array([1.5, Number.NaN]),
  "a blob": () => new Blob(["text"], { type: "text/plain" }),
  "a blob of an odd type": () => new Blob(["text"], { type: "no type" }),
  "a file": () => new File(["text"], "a.txt", { type: "text/plain" }),
  "a form": () => new FormData(),
  parameters: () => new URLSearchParams({ a: "1", b: "ü" }),
  headers: () => new Headers({ a: "b" }),
  "a response": () => new Response("text"),
  "a web stream": () => new Response("text").body,
  "a node stream": () => Readable.from(["text"]),
  "a class": () => Map,
  "an error with a code": () => Object.assign(new Error("no file"), { code: "ENOENT" }),
  "an error of many": () => new AggregateError([new Error("one"), 2], ""),
  "an error whose message throws": () => Object.defineProperty(new Error("x"), "message", { get: fail }),
  "a rejection whose message throws": () => Object.defineProperty(new Reject("x"), "message", { get: fail }),
  "a rejection without a message": () => new Reject(""),
  "a later attempt of no time": () => Object.assign(new RetryLater(5), { delayMs: {} }),
  "a later attempt that cannot be read": () => Object.defineProperty(new RetryLater(5), "delayMs", { get: fail }),
  "a DOM exception": () => new DOMException("aborted", "AbortError"),
  "a revoked proxy": () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  "a throwing proxy": () => new Proxy({}, throwingTraps),
  "a throwing proxy of an error": () => new Proxy(new Error("x"), throwingTraps),
  "a proxy of bytes": () => new Proxy(bytes(), {}),
  "what claims to be bytes": () => Object.create(Uint8Array.prototype) as unknown,
  "what claims to be a buffer": () => ({ length: 1e15, [Symbol.toStringTag]: "ArrayBuffer" }),
  "what claims to be a blob": () => Object.create(Blob.prototype) as unknown,
  "a circle": () => {
    const circle: Record<string, unknown> = {};
    circle["circle"] = circle;
    return circle;
  },
  "a deep list": () => {
    let list: unknown[] = [];
    for (let depth = 0; depth < 20_000; depth += 1) list = [list];
    return list;
  },
  "a throwing toJSON": () => ({ toJSON: fail }),
  "a toJSON of nothing": () => ({ toJSON: () => undefined }),
  "a toJSON that changes": () => {
    let calls = 0;
    return { a: {}, b: { toJSON: () => ((calls += 1) > 1 ? fail() : "once") } };
  },
  "a throwing member": () => Object.defineProperty({}, "x", { get: fail, enumerable: true }),
  // oxlint-disable-next-line unicorn/no-thenable -- a handler returns it, and the worker awaits it
  "a throwing then": () => Object.defineProperty({}, "then", { get: fail }),
  "a text that is none": () => ({ toString: () => 5 }),
} satisfies Readonly<Record<string, () => unknown>>;

export type OddName = keyof typeof odd;
export const oddNames = Object.keys(odd) as readonly OddName[];

export function make(made: Made): unknown {
  switch (made.is) {
    case "json":
      return made.value;
    case "odd":
      return odd[made.name]();
    case "error":
      return Object.defineProperty(new Error("x"), "message", { value: make(made.message) });
    case "reject":
      return Object.defineProperty(new Reject("x"), "message", { value: make(made.message) });
    case "later":
      return new RetryLater(make(made.delay) as number);
    case "typed":
      return { body: make(made.body), contentType: make(made.contentType) };
    case "list":
      return made.items.map(make);
    case "member":
      return { member: make(made.value), more: 1 };
    default:
      return made satisfies never;
  }
}
