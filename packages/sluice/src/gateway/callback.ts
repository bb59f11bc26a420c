// Which URL is told of a request's outcome: the one that the request names, or its queue's.
import { parseCallbackUrl } from "../core/callback.ts";
import { SluiceError } from "../core/errors.ts";
import type { IntakeQueue } from "./context.ts";

/** The header that names it for a request, or for those lines of a batch that name none. */
export const callbackHeader = "sluice-callback";

/** Errors: `callbacks-off` where the queue could not sign one, `bad-callback` with the rule. */
export function callbackOf({ name, callback }: IntakeQueue, named: string | undefined): string | undefined {
  if (named === undefined) return callback?.url;
  if (callback === undefined) {
    throw new SluiceError("callbacks-off", `queue "${name}" takes no callbacks: it has no secret to sign them with`);
  }
  const url = parseCallbackUrl(named);
  const refusal = callback.refusalOf(url);
  if (refusal !== undefined) throw new SluiceError("bad-callback", refusal.message);
  return url.href;
}
