import type { Claim } from "../../core/request.ts";
import { seqOf } from "../../core/request-id.ts";
import type { RetryOptions, SettleResult } from "../../engine/engine.ts";
import { FORGET_EXPIRY } from "./lapse.ts";
import { RELEASE_CLAIM, type Held } from "./settle.ts";
import type { Store } from "./store.ts";

export const SCHEDULE = `
  INSERT INTO scheduled (seq, queue, due_at, attempts, crashes, started_at, scheduled_at, kind)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
/** An attempt that did not count is told again under the same number: the rows stay bounded by the attempts. */
const RECORD_FAILURE = `
  INSERT INTO failures (seq, attempt, failed_at, code, message) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT (seq, attempt) DO UPDATE SET failed_at = excluded.failed_at, code = excluded.code, message = excluded.message`;

export function prepareRetry({ db, queues, lines, now }: Store): (claim: Claim, options: RetryOptions) => SettleResult {
  const releaseClaim = db.prepare(RELEASE_CLAIM);
  const schedule = db.prepare(SCHEDULE);
  const recordFailure = db.prepare(RECORD_FAILURE);
  const forgetExpiry = db.prepare(FORGET_EXPIRY);

  return ({ id, token }, { dueAt, failure, isCounted, hasBegun = false }) => {
    const seq = seqOf(id);
    const held = releaseClaim.get(seq, token) as unknown as Held | undefined;
    if (held === undefined) return "superseded";
    const attempts = held.attempts + (isCounted ? 1 : 0);
    // Whoever lived to tell of a failure did not kill its worker.
    const crashes = failure === undefined ? held.crashes : 0;
    const kind = lines.kindOf(held.queue, seq);
    schedule.run(seq, held.queue, dueAt, attempts, crashes, held.started_at, now(), kind);
    if (failure !== undefined) recordFailure.run(seq, held.attempts + 1, now(), failure.code, failure.message);
    if (hasBegun) forgetExpiry.run(seq);
    const row = queues.change(queues.numbered(held.queue));
    row.running -= 1;
    row.scheduled += 1;
    lines.back(held.queue, seq, dueAt <= now());
    return "settled";
  };
}
