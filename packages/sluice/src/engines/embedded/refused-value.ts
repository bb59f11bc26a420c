import { messageOf } from "../../core/errors.ts";

const bindingErrors: ReadonlySet<unknown> = new Set([
  "ERR_INVALID_ARG_TYPE",
  "ERR_INVALID_ARG_VALUE",
  "ERR_OUT_OF_RANGE",
]);
/** Too big, mismatch, range; a column's type, its NOT NULL or its CHECK. Keys that collide are a broken invariant. */
const valueErrors: ReadonlySet<unknown> = new Set([18, 20, 25, 3091, 1299, 275]);

/** A call's value cannot be stored, now or later: the call is to blame, and neither the store nor its group (I10). */
export class RefusedValue extends Error {
  /** Undefined for an error that says something else. */
  static of(error: unknown): RefusedValue | undefined {
    if (!(error instanceof Error && "code" in error)) return undefined;
    const isOfValue = "errcode" in error ? valueErrors.has(error.errcode) : bindingErrors.has(error.code);
    return isOfValue ? new RefusedValue(error) : undefined;
  }

  private constructor(cause: Error) {
    super(`the store cannot hold a value of this call: ${messageOf(cause)}`, { cause });
  }
}
