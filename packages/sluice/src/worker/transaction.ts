// An attempt inside the transaction that commits its outcome: effect and outcome together, or neither.
import { messageOf, SluiceError } from "../core/errors.ts";
import type { Delivery } from "../core/request.ts";
import type { Engine, Sql } from "../engine/engine.ts";
import { attempt, type AttemptOptions, type End } from "./attempt.ts";
import type { AttemptEnd } from "./runner.ts";

export interface TransactedOptions extends Omit<AttemptOptions, "sql"> {
  readonly transact: NonNullable<Engine["transact"]>;
  /** Whether the worker has stopped: an attempt may not even begin then. */
  readonly isCutOff: () => boolean;
}

/** Only an attempt that is done is committed, any other is undone; the worker sees to what becomes of that. */
export async function transactedAttempt(delivery: Delivery, options: TransactedOptions): Promise<End> {
  const { transact, isCutOff, ...rest } = options;
  const run: { end: End | undefined } = { end: undefined };
  try {
    const result = await transact(delivery.claim, async (sql) => {
      if (isCutOff()) return undefined; // the worker stopped while this waited for its connection
      const lent = lend(sql);
      run.end = await attempt(delivery, { ...rest, sql: lent.sql }).finally(lent.takeBack);
      return run.end.kind === "done" ? run.end : undefined;
    });
    if (result !== "rolled-back") return { kind: "committed", result };
    if (run.end === undefined) return { kind: "cut-off" };
    return run.end.kind === "done" ? undone("the transaction was rolled back") : run.end;
  } catch (error) {
    if (error instanceof SluiceError && error.isRetryable) return { kind: "unknown", message: error.message };
    if (run.end === undefined) throw error;
    // I10: what the store cannot hold of the outcome it will not hold of the next attempt's.
    if (error instanceof SluiceError && error.code === "value-refused") return refused(error.message);
    // A commit is refused for what the handler did: a constraint that is checked there, a statement that had failed.
    return run.end.kind === "done" ? undone(messageOf(error)) : run.end;
  }
}

/** A handler that goes on after its attempt must not write outside of the transaction. */
function lend(sql: Sql): { readonly sql: Sql; takeBack(): void } {
  let isOver = false;
  return {
    sql: {
      async query(text, values) {
        if (isOver) throw new Error("the attempt is over, and its transaction with it");
        // Anything else would reach the connection as half a message, or as an order of the driver's own.
        if (typeof text !== "string" || text.includes("\0"))
          throw new TypeError("a statement is text without zero bytes");
        if (values !== undefined && !Array.isArray(values)) throw new TypeError("a statement's values are an array");
        return sql.query(text, values?.map(plainValue));
      },
    },
    takeBack: () => void (isOver = true),
  };
}

/**
 * A value as the driver would send it, made here: what its getters or its `toJSON` throw is the handler's own, and must not look
 * to the engine like a connection that went away.
 */
function plainValue(value: unknown): unknown {
  if (typeof value === "function" || typeof value === "symbol") return String(value);
  if (typeof value !== "object" || value === null) return value;
  if (ArrayBuffer.isView(value)) return Buffer.from(octetsOf(value));
  if (Array.isArray(value)) return value.map(plainValue);
  if (value instanceof Date) return validDate(value);
  if ("toPostgres" in value && typeof value.toPostgres === "function") return plainValue(value.toPostgres(plainValue));
  return JSON.stringify(value);
}

/** The driver sends a date with its place's offset, as a column without a time zone needs it. */
function validDate(date: Date): Date {
  if (Number.isNaN(date.getTime())) throw new TypeError("a value of the statement is an invalid date");
  return date;
}

function octetsOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function undone(message: string): AttemptEnd {
  const failure = { code: "handler-threw", message, isRetryable: true, isCounted: true, retryAfterMs: undefined };
  return { kind: "failed", failure, blame: "request" };
}

function refused(message: string): AttemptEnd {
  const failure = { code: "value-refused", message, isRetryable: false, isCounted: true, retryAfterMs: undefined };
  return { kind: "failed", failure, blame: "request" };
}
