import type { AttemptFailure } from "../core/retry.ts";
import type { Delivery, Result } from "../core/request.ts";
import type { Sql } from "../engine/engine.ts";

/** How one attempt ended. Expected failures are values; what a runner throws is a defect of Sluice. */
export type AttemptEnd =
  | { readonly kind: "done"; readonly result: Result }
  | {
      readonly kind: "failed";
      readonly failure: AttemptFailure;
      readonly blame: Blame;
      /** Of a target that refused the request: kept where that is final. */
      readonly response?: Result | undefined;
    };

/**
 * What a failure is to blame on: this one request; the target, which got it and failed (the breaker minds, the attempt
 * counts); an outage, which says nothing of the request (the breaker minds, and once it is open nothing counts); or this
 * worker, which lacks a resource of its own, and had sent nothing yet (it pauses, and nothing counts).
 */
export type Blame = "request" | "target" | "outage" | "worker";

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly progress: (value: unknown) => void;
  /** The transaction of the outcome, where the queue is transactional. */
  readonly sql?: Sql | undefined;
}

/** Makes one attempt at a delivery: by a handler in this process, or by a target over HTTP. */
export interface Runner {
  run(delivery: Delivery, options: RunOptions): Promise<AttemptEnd>;
  close(): Promise<void>;
}
