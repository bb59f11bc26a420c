// What is left in `running` was in flight when the last owner of the folder died, or stopped in haste.
import { prepareCrash, type Lost } from "./crash.ts";
import { SCHEDULE } from "./retry.ts";
import type { Store } from "./store.ts";

const TAKE_RUNNING = "DELETE FROM running RETURNING seq, queue, attempts, crashes, started_at, bytes";

/** Nothing is accepted here, and nothing committed. */
type Unchained = Pick<Store, "db" | "queues" | "lines" | "now">;

/** After a crash: all that ran waits again, one crash richer, or is buried (I4). */
export function recoverRunning(store: Unchained, crashesMax: number): void {
  const crash = prepareCrash(store, crashesMax);
  for (const lost of takeRunning(store)) crash(lost);
}

/** At a graceful close: hands back what nobody settled, with nothing held against it. */
export function handBackRunning(store: Unchained): void {
  const schedule = store.db.prepare(SCHEDULE);
  for (const { seq, queue, attempts, crashes, started_at } of takeRunning(store)) {
    const row = store.queues.change(store.queues.numbered(queue));
    row.running -= 1;
    row.scheduled += 1;
    schedule.run(seq, queue, 0, attempts, crashes, started_at, store.now(), store.lines.kindOf(queue, seq));
    store.lines.back(queue, seq, true);
  }
}

function takeRunning({ db }: Unchained): readonly Lost[] {
  return db.prepare(TAKE_RUNNING).all() as unknown as Lost[];
}
