// What is left in `running` was in flight when the last owner of the folder died, or stopped in haste.
import type { Failure } from "../../core/request.ts";
import { INSERT_OUTCOME, type Held } from "./settle.ts";
import { SCHEDULE } from "./retry.ts";
import type { Store } from "./store.ts";

const TAKE_RUNNING = "DELETE FROM running RETURNING seq, queue, attempts, crashes, started_at, bytes";

type Lost = Held & { readonly seq: number };

/** After a crash: all that ran waits again, one crash richer; at `crashesMax` a request is the suspect no longer (I4). */
/** Nothing is accepted here. */
type Unchained = Omit<Store, "chains">;

export function recoverRunning(store: Unchained, crashesMax: number): void {
  const buryRow = store.db.prepare(INSERT_OUTCOME);
  giveBack(store, (lost) => {
    const crashes = lost.crashes + 1;
    if (crashes < crashesMax) return crashes;
    const { seq, queue, attempts, started_at } = lost;
    const { code, message } = poison(crashes);
    buryRow.run(seq, queue, "dead", attempts, started_at, store.now(), null, null, code, message);
    const row = store.queues.change(store.queues.numbered(queue));
    row.dead += 1;
    row.backlog_bytes -= lost.bytes;
    return "buried";
  });
}

/** At a graceful close: hands back what nobody settled, with nothing held against it. */
export function handBackRunning(store: Unchained): void {
  giveBack(store, ({ crashes }) => crashes);
}

function giveBack({ db, queues }: Unchained, crashesOf: (lost: Lost) => number | "buried"): void {
  const schedule = db.prepare(SCHEDULE);
  for (const lost of db.prepare(TAKE_RUNNING).all() as unknown as Lost[]) {
    const row = queues.change(queues.numbered(lost.queue));
    row.running -= 1;
    const crashes = crashesOf(lost);
    if (crashes === "buried") continue;
    schedule.run(lost.seq, lost.queue, 0, lost.attempts, crashes, lost.started_at);
    row.scheduled += 1;
  }
}

function poison(crashes: number): Failure {
  return { code: "poison", message: `its worker died ${crashes} times while it ran, the last times it ran alone` };
}
