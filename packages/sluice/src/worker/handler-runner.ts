import { messageOf } from "../core/errors.ts";
import type { Content } from "../core/request.ts";
import type { AttemptFailure } from "../core/retry.ts";
import type { Logger } from "../telemetry/log.ts";
import { handlerRequestOf, type Handler } from "./handler.ts";
import { progressOf, resultOf } from "./result.ts";
import type { AttemptEnd, Runner } from "./runner.ts";
import { failureOf } from "./thrown.ts";

export interface HandlerRunnerOptions {
  readonly handle: Handler;
  readonly resultBytesMax: number;
  readonly log: Logger;
}

/** Attempts run in this process, by the queue's own function. It is the edge for what that function throws and returns (I10). */
export function handlerRunner({ handle, resultBytesMax, log }: HandlerRunnerOptions): Runner {
  return {
    async run({ request, attempt }, { signal, progress, sql }): Promise<AttemptEnd> {
      const report = (reported: unknown): void => progress(progressOf(reported));
      let returned: unknown;
      try {
        returned = await handle(handlerRequestOf(request), { signal, attempt, log, progress: report, sql });
      } catch (thrown) {
        return failed(failureOf(thrown));
      }
      try {
        return done(await resultOf(returned), resultBytesMax);
      } catch (error) {
        return failed(final("bad-result", messageOf(error)));
      }
    },
    close: () => Promise.resolve(),
  };
}

function done(result: Content, bytesMax: number): AttemptEnd {
  const { byteLength } = result.bytes;
  if (byteLength <= bytesMax) return { kind: "done", result };
  return failed(final("result-too-large", `the result may have ${bytesMax} bytes, it has ${byteLength}`));
}

/** The handler would return the same again. */
function final(code: string, message: string): AttemptFailure {
  return { code, message, isRetryable: false, isCounted: true, retryAfterMs: undefined };
}

function failed(failure: AttemptFailure): AttemptEnd {
  return { kind: "failed", failure, blame: "request" };
}
