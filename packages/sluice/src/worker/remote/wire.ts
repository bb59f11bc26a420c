// What crosses between a worker process and the process that has the engine, many of each in one message.
import type { ErrorCode } from "../../core/errors.ts";
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

type Shape = readonly (readonly [member: string, type: "number" | "string" | "boolean" | "object"])[];

const call = ["call", "number"] as const;
const queue = ["queue", "string"] as const;
const claim = ["claim", "object"] as const;
const shapes: ReadonlyMap<unknown, Shape> = new Map<FromWorker["verb"], Shape>([
  ["deliver", [call, queue, ["max", "number"]]],
  ["abandon", [["deliver", "number"]]],
  ["settle", [call, claim, ["outcome", "object"]]],
  ["retry", [call, claim, ["options", "object"]]],
  ["starts", [call, ["ask", "object"]]],
  ["report", [claim]],
  ["attend", [queue]],
  ["leave", [queue]],
  ["breakerOpen", [queue, ["isOpen", "boolean"]]],
]);
const claimShape: Shape = [["id", "string"], queue, ["token", "number"]];

/** What the worker process said. A handler can speak through the same channel, as with `process.send("ready")`: not to us. */
export function messagesIn(received: unknown): readonly FromWorker[] {
  return Array.isArray(received) ? received.filter(isMessage) : [];
}

function isMessage(candidate: unknown): candidate is FromWorker {
  if (typeof candidate !== "object" || candidate === null || !("verb" in candidate)) return false;
  const shape = shapes.get(candidate.verb);
  if (shape === undefined || !hasShape(candidate, shape)) return false;
  return !("claim" in candidate) || hasShape(candidate.claim as object, claimShape);
}

function hasShape(value: object, shape: Shape): boolean {
  const members = value as Readonly<Record<string, unknown>>;
  for (const [name, type] of shape) {
    const member = members[name];
    if (typeof member !== type || member === null) return false;
  }
  return true;
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
