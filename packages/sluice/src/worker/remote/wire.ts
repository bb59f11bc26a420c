// What crosses between a worker process and the process that has the engine, many of each in one message.
import type { ErrorCode } from "../../core/errors.ts";
import { parseRequestId } from "../../core/request-id.ts";
import type { Claim, Outcome } from "../../core/request.ts";
import type { RetryBounds } from "../../core/retry-share.ts";
import type { RetryOptions, StartsAsk } from "../../engine/engine.ts";

/** Those with a number get an answer. */
export type FromWorker =
  | {
      readonly verb: "deliver";
      readonly call: number;
      readonly queue: string;
      readonly max: number;
      readonly retries: RetryBounds | undefined;
    }
  /** Ends a deliver that waits; answered only through that deliver's own answer. */
  | { readonly verb: "abandon"; readonly deliver: number }
  | { readonly verb: "settle"; readonly call: number; readonly claim: Claim; readonly outcome: Outcome }
  | { readonly verb: "retry"; readonly call: number; readonly claim: Claim; readonly options: RetryOptions }
  | { readonly verb: "starts"; readonly call: number; readonly ask: StartsAsk }
  /** The progress is JSON: what a handler reports need not be fit to cross. */
  | { readonly verb: "report"; readonly claim: Claim; readonly progress: string | undefined }
  | { readonly verb: "attend" | "leave"; readonly queue: string }
  | { readonly verb: "breakerOpen"; readonly queue: string; readonly isOpen: boolean };

type Check = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Check>>;

/** More than the largest concurrency and rate ask for at a time; the host counts up to it within a turn. */
const countMax = 100_000;
/** The last time that a Date can hold. */
const timeMax = 8.64e15;

const isString: Check = (value) => typeof value === "string";
const isBoolean: Check = (value) => typeof value === "boolean";
const isBytes: Check = (value) => value instanceof Uint8Array;
const isId: Check = (value) => typeof value === "string" && parseRequestId(value) === value;
const isNumber = integerUpTo(Number.MAX_SAFE_INTEGER);
const isCount = integerUpTo(countMax);
const isTime = integerUpTo(timeMax);
const isClaim = shaped({ id: isId, queue: isString, token: isNumber });
const isFailure = shaped({ code: isString, message: isString });
const isStatus: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 100 && (value as number) <= 999;
const isResult = shaped({
  contentType: isString,
  bytes: isBytes,
  status: optional(isStatus),
  headers: optional(isHeaders),
});
const isDone = shaped({ result: isResult });
const isDead = shaped({ failure: isFailure, response: optional(isResult) });

const call = { call: isNumber };
const queue = { queue: isString };
const claim = { claim: isClaim };
const checks: ReadonlyMap<unknown, Check> = new Map<FromWorker["verb"], Check>([
  [
    "deliver",
    shaped({ ...call, ...queue, max: isCount, retries: optional(shaped({ first: isCount, most: isCount })) }),
  ],
  ["abandon", shaped({ deliver: isNumber })],
  ["settle", shaped({ ...call, ...claim, outcome: isOutcome })],
  [
    "retry",
    shaped({
      ...call,
      ...claim,
      options: shaped({
        dueAt: isTime,
        isCounted: isBoolean,
        hasBegun: optional(isBoolean),
        failure: optional(isFailure),
      }),
    }),
  ],
  ["starts", shaped({ ...call, ask: shaped({ ...queue, wanted: isCount }) })], // the rate is the host's own
  ["report", shaped(claim)],
  ["attend", shaped(queue)],
  ["leave", shaped(queue)],
  ["breakerOpen", shaped({ ...queue, isOpen: isBoolean })],
]);

/**
 * What the worker process said. A handler can speak through the same channel, as with `process.send("ready")`: not to us. What
 * does not parse, a number out of its bounds as well, is left out: nothing that a handler says can stop the engine.
 */
export function messagesIn(received: unknown): readonly FromWorker[] {
  return Array.isArray(received) ? received.filter(isMessage) : [];
}

function isMessage(candidate: unknown): candidate is FromWorker {
  if (typeof candidate !== "object" || candidate === null || !("verb" in candidate)) return false;
  return checks.get(candidate.verb)?.(candidate) ?? false;
}

function isOutcome(value: unknown): boolean {
  if (typeof value !== "object" || value === null || !("kind" in value)) return false;
  return (value.kind === "done" && isDone(value)) || (value.kind === "dead" && isDead(value));
}

function isHeaders(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).every((one) => isString(one) || (Array.isArray(one) && one.every(isString)));
}

function integerUpTo(max: number): Check {
  return (value) => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function optional(check: Check): Check {
  return (value) => value === undefined || check(value);
}

function shaped(shape: Shape): Check {
  const members = Object.entries(shape);
  return (value) => {
    if (typeof value !== "object" || value === null) return false;
    for (const [name, check] of members) if (!check((value as Readonly<Record<string, unknown>>)[name])) return false;
    return true;
  };
}

/** As `report` wrote it. */
export function progressIn(json: unknown): unknown {
  try {
    return typeof json === "string" ? JSON.parse(json) : undefined;
  } catch {
    return undefined;
  }
}

export interface Answer {
  readonly call: number;
  readonly value?: unknown;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

/** A begin is a claim's token on a pipe of its own: eight bytes, a double, little end first. */
const beginBytes = 8;

export function writeBegin(token: number): Buffer {
  const record = Buffer.allocUnsafe(beginBytes);
  record.writeDoubleLE(token);
  return record;
}

/** Reads begins from a stream of bytes, wherever it is cut. */
export class BeginReader {
  #rest: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): readonly number[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const whole = bytes.length - (bytes.length % beginBytes);
    this.#rest = bytes.subarray(whole);
    return Array.from({ length: whole / beginBytes }, (_, index) => bytes.readDoubleLE(index * beginBytes));
  }
}
