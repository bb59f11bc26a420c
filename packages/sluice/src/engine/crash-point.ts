// Where a process kills itself in the fault suite, to show what survives: SLUICE_CRASH_AT=<point>[:<nth>].
// Unset, which is always so outside that suite, a crash point is an empty function.

/** Each step of a request's path after which a crash must lose nothing. */
export const crashPoints = [
  "accept-committed", // after the commit, before the answer
  "published", // the hints are written to the broker, not confirmed
  "confirmed", // the broker has confirmed, the outbox is not cleared
  "hints-taken", // the ledger has handed its hints to this process, nothing is claimed
  "effect-pending", // the delivery is claimed, the handler has not begun
  "effect-made", // the handler returned, its outcome is not committed
  "outcome-committed", // the outcome is committed, nobody has been told, nothing acknowledged
  "callback-accepted", // the callback of an outcome is accepted, the outcome not noted as told
  "page-forwarded", // the ledger has a page of the spool, the gateway does not know it
  "spool-drained", // the ledger has all of the spool, whose files are still there
  "spool-emptying", // the spool is closed and its mark removed, its database is still there
  "spool-emptied", // the spool's files are gone, the ledger still knows how far it was
  "start", // the store has the cookie of this start, its mark does not
  "migration", // inside a migration's transaction
  "lines-handed-out", // requests that stood in lines are handed out, no carrier has been told
  "replay", // inside a replay's transaction
] as const;
export type CrashPoint = (typeof crashPoints)[number];

const setting = process.env["SLUICE_CRASH_AT"];

export const crashPoint: (point: CrashPoint) => void = setting === undefined ? () => {} : armed(setting);

function armed(text: string): (point: CrashPoint) => void {
  const [name, nth = "1"] = text.split(":");
  if (!crashPoints.some((point) => point === name) || !/^[1-9]\d*$/.test(nth)) {
    throw new Error(`SLUICE_CRASH_AT must be <point>[:<nth>] with a point of ${crashPoints.join(", ")}, got "${text}"`);
  }
  let left = Number(nth);
  return (point) => {
    if (point !== name) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, "SIGKILL");
  };
}
