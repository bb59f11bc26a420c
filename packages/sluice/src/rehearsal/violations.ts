// What a rehearsal must not end with. Pure.
import type { WireAudit } from "@sluice/client";
import type { Kill } from "./killer.ts";
import type { Found } from "./read-back.ts";

export interface Figures extends Omit<Found, "wrong"> {
  readonly requests: number;
  readonly accepted: number;
  /** Requests of POSTs without an answer, as often as that happened; sent again each time. */
  readonly unknown: number;
  /** Requests of POSTs that were refused for the moment, likewise. */
  readonly refused: number;
  /** Never accepted. */
  readonly withoutReceipt: number;
  /** Of these, sent without an answer: they may be stored. */
  readonly unsettled: number;
  /** What the queue accepted meanwhile, by its own count, beyond the books; undefined beside others. */
  readonly unaccounted: number | undefined;
  /** Begun before one of their order key that they had to wait for; undefined without order keys. */
  readonly outOfTurn: number | undefined;
}

export interface Evidence {
  readonly figures: Figures;
  readonly audit: WireAudit;
  readonly kills: readonly Kill[];
  readonly isInterrupted: boolean;
}

const forbidden = {
  lost: "accepted, and not there any more",
  unfinished: "accepted, and without an outcome",
  mismatched: "not what was sent",
  changed: "with a result that changed after it was read",
  doubled: "with a second id under their key",
} as const satisfies Partial<Record<keyof Figures, string>>;

/** Each in a sentence; none when nothing is lost and the law holds. */
export function violationsOf({ figures, audit, kills, isInterrupted }: Evidence): readonly string[] {
  const { unaccounted, unsettled, withoutReceipt, outOfTurn = 0 } = figures;
  const found = Object.entries(forbidden)
    .filter(([name]) => name !== "unfinished" || !isInterrupted) // they go on
    .map(([name, what]) => ({ count: figures[name as keyof typeof forbidden], what }));
  const violations = found.filter(({ count }) => count > 0).map(({ count, what }) => `${count} ${what}`);
  if (withoutReceipt > 0 && !isInterrupted) violations.push(`${withoutReceipt} never got a receipt`);
  if (outOfTurn > 0) violations.push(`${outOfTurn} begun out of the turn of their order key`);
  if (unaccounted !== undefined && (unaccounted < 0 || unaccounted > unsettled))
    violations.push(
      `the queue counts ${Math.abs(unaccounted)} ${unaccounted < 0 ? "fewer" : "more"} than the receipts`,
    );
  if (!audit.holds) violations.push(`the law does not hold: ${auditText(audit)}`);
  const failed = kills.filter(({ failure }) => failure !== undefined);
  if (failed.length > 0)
    violations.push(`${failed.length} of ${kills.length} kills could not be done: ${failed[0]?.failure}`);
  return violations;
}

function auditText({ queues, findings }: WireAudit): string {
  const missing = queues.reduce((sum, queue) => sum + Math.abs(queue.missing), 0);
  const first = findings.find(({ kind }) => kind !== "stuck");
  const example = first === undefined ? "" : `, such as ${first.kind} ${first.id}`;
  return `${missing} missing, ${findings.filter(({ kind }) => kind !== "stuck").length} found${example}`;
}
