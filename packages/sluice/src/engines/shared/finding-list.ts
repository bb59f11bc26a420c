import type { ChainGap } from "../../core/chain.ts";
import { timeOfId } from "../../core/request-id.ts";
import type { Finding, Gap } from "../../engine/audit.ts";

/** Of each kind, for each queue: the first ones tell where to look. */
const findingsMax = 100;

/** Collects what an audit finds, up to a bound. */
export class FindingList {
  readonly all: Finding[] = [];
  readonly #counts = new Map<string, number>();

  add(finding: Finding): void {
    const name = `${finding.kind} ${finding.queue}`;
    const count = this.#counts.get(name) ?? 0;
    this.#counts.set(name, count + 1);
    if (count < findingsMax) this.all.push(finding);
  }

  /** Whether nothing was found that the law forbids. */
  get areLawful(): boolean {
    return this.all.every(({ kind }) => kind === "stuck");
  }
}

/** What waits is stuck when others have begun that came so much later. */
export const overtakenMs = 60_000;
/** One that failed before gives way to others that wait: so much longer. */
export const retryOvertakenMs = 3_600_000;
/** An attempt that was cut off may take so long to come to its end. */
export const overdueMs = 60_000;

export function overtaken(readyAt: number): string {
  return `ready since ${new Date(readyAt).toISOString()}, and others that came much later have begun`;
}

export function overdue(startedAt: number, timeoutMs: number): string {
  return `runs since ${new Date(startedAt).toISOString()}, and its queue allows ${timeoutMs} ms`;
}

/** What a gap comes to once what retention has removed is left out. */
export function gapOf({ chain, fromPlace, after, before }: ChainGap, requests: number): Gap {
  const [fromAt, toAt] = [timeOfId(after ?? chain), timeOfId(before)];
  return { chain, place: fromPlace, requests, after, before, fromAt, toAt };
}

export function gapFinding(queue: string, gap: Gap): Finding {
  const span = `${new Date(gap.fromAt).toISOString()} and ${new Date(gap.toAt).toISOString()}`;
  const what = `${gap.requests} missing before it, accepted between ${span}`;
  return { kind: "gap", queue, id: gap.before, what, gap };
}

export const missingText = "accepted, and not in the store";
export const unchainedText = "in the store, and in no link of the chain";
export const changedText = "its body is not what was accepted";
export const brokenText = "the link that begins with it is not what was written";

export function orphanedText(what: string): string {
  return `its ${what} is there, and its request is not`;
}
