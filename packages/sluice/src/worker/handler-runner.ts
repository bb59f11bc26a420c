import { messageOf } from "../core/errors.ts";
import type { AttemptFailure } from "../core/retry.ts";
import type { Logger } from "../telemetry/log.ts";
import { contentOf, handlerRequestOf, isReject, isRetryLater, type Handler } from "./handler.ts";
import type { AttemptEnd, Runner } from "./runner.ts";

export interface HandlerRunnerOptions {
  readonly handle: Handler;
  readonly resultBytesMax: number;
  readonly log: Logger;
}

/** Attempts run in this process, by the queue's own function. */
export function handlerRunner({ handle, resultBytesMax, log }: HandlerRunnerOptions): Runner {
  return {
    async run({ request, attempt }, { signal, progress, sql }): Promise<AttemptEnd> {
      try {
        const result = contentOf(await handle(handlerRequestOf(request), { signal, attempt, log, progress, sql }));
        if (result.bytes.byteLength <= resultBytesMax) return { kind: "done", result };
        const message = `the result may have ${resultBytesMax} bytes, it has ${result.bytes.byteLength}`;
        return failed({ code: "result-too-large", message, isRetryable: false });
      } catch (error) {
        return failed(failureOf(error));
      }
    },
    close: () => Promise.resolve(),
  };
}

function failureOf(error: unknown): Partial<AttemptFailure> & Pick<AttemptFailure, "code" | "message"> {
  const message = messageOf(error);
  if (isReject(error)) return { code: "rejected", message, isRetryable: false };
  if (isRetryLater(error)) return { code: "retry-later", message, isCounted: false, retryAfterMs: error.delayMs };
  return { code: "handler-threw", message };
}

function failed(failure: Partial<AttemptFailure> & Pick<AttemptFailure, "code" | "message">): AttemptEnd {
  return {
    kind: "failed",
    failure: { isRetryable: true, isCounted: true, retryAfterMs: undefined, ...failure },
    blame: "request",
  };
}
