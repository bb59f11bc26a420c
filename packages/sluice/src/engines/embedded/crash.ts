// A worker died while a request ran: the request waits again, one crash richer; at `crashesMax` it is the suspect no
// longer, and ends dead (I4).
import type { Claim, Failure } from "../../core/request.ts";
import { seqOf } from "../../core/request-id.ts";
import { SCHEDULE } from "./retry.ts";
import { INSERT_OUTCOME, RELEASE_CLAIM, type Held } from "./settle.ts";
import type { Store } from "./store.ts";

export type Lost = Held & { readonly seq: number };

/** What became of a claim whose worker died. */
export type Crashed = "waiting" | "dead" | "superseded";

/** For rows that were taken out of `running`. */
export function prepareCrash(
  { db, queues, lines, now }: Pick<Store, "db" | "queues" | "lines" | "now">,
  crashesMax: number,
): (lost: Lost) => Exclude<Crashed, "superseded"> {
  const schedule = db.prepare(SCHEDULE);
  const bury = db.prepare(INSERT_OUTCOME);

  return ({ seq, queue, attempts, crashes: before, started_at, bytes }) => {
    const row = queues.change(queues.numbered(queue));
    row.running -= 1;
    const crashes = before + 1;
    if (crashes < crashesMax) {
      schedule.run(seq, queue, 0, attempts, crashes, started_at, now(), lines.kindOf(queue, seq));
      row.scheduled += 1;
      lines.back(queue, seq, true);
      return "waiting";
    }
    const { code, message } = poison(crashes);
    bury.run(seq, queue, "dead", attempts, started_at, now(), null, null, null, code, message);
    row.dead += 1;
    row.backlog_bytes -= bytes;
    lines.ended(queue, seq, { state: "dead", wasRunning: true });
    return "dead";
  };
}

/** For one claim, while the engine goes on. */
export function prepareCrashed(store: Store, crashesMax: number): (claim: Claim) => Crashed {
  const releaseClaim = store.db.prepare(RELEASE_CLAIM);
  const crash = prepareCrash(store, crashesMax);

  return ({ id, token }) => {
    const seq = seqOf(id);
    const held = releaseClaim.get(seq, token) as unknown as Held | undefined;
    return held === undefined ? "superseded" : crash({ ...held, seq });
  };
}

function poison(crashes: number): Failure {
  return { code: "poison", message: `its worker died ${crashes} times while it ran, the last times it ran alone` };
}
