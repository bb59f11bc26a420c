import type { Figures } from "./checker.ts";
import type { Random } from "../packages/sluice/src/core/seeded-random.ts";

export interface Scenario {
  readonly name: string;
  /** Its numbers in the list of faults. */
  readonly numbers: string;
  readonly fault: string;
  /** Each hit is a process killed with SIGKILL. */
  readonly isKill?: true;
  /** A negative control: it must lose, or the checks prove nothing. */
  readonly isLossMeant?: true;
  /** Needs more time or rights than the short form has. */
  readonly isLong?: true;
  play(options: PlayOptions): Promise<Played>;
}

export interface PlayOptions {
  /** How many times the fault is to hit. */
  readonly rounds: number;
  readonly random: Random;
  /** In small, for `npm test`. */
  readonly isShort: boolean;
  /** Loads in their full size, however long they take. */
  readonly isFull: boolean;
}

export interface Played {
  readonly trials: number;
  /** Times that the fault really happened. */
  readonly hits: number;
  readonly figures: Figures;
  /** B makes a key's effect once, or nothing of this fault may run a request twice. */
  readonly areEffectsOnce: boolean;
  /** What was expected and did not come, in words. */
  readonly violations: readonly string[];
  /** What was measured besides. */
  readonly notes?: readonly string[];
  /** Where PostgreSQL failed over. */
  readonly failover?: FailoverFigures;
}

export interface FailoverFigures {
  /** One for each failover. */
  readonly recoveries: readonly Recovery[];
  /** Starts beyond the first of their request. */
  readonly extraStarts: number;
  /** Requests that had two or more of these. */
  readonly startedThrice: number;
  /** What the audit said. */
  readonly audit: string;
}

/** In milliseconds since the order to promote, or whatever else lets receipts come again. */
export interface Recovery {
  /** Until it was done: until the server takes writes. */
  readonly stepMs: number;
  /** Until the first receipt. */
  readonly firstReceiptMs: number;
  /** Until the last of the gateways gave one. */
  readonly everyReceiptMs: number;
}

export class SkippedError extends Error {}
