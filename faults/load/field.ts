// Where a load plays: the same for both engines.
import { setTimeout as delay } from "node:timers/promises";
import type { Figures } from "../checker.ts";
import type { Ledger } from "../ledger.ts";
import type { PlayOptions } from "../scenario.ts";
import type { Resident } from "./peaks.ts";

export interface Field extends AsyncDisposable {
  /** Of its gateways. */
  readonly urls: readonly [string, ...string[]];
  readonly ledger: Ledger;
  /** The handler's folder. */
  readonly folder: string;
  residents(): readonly Resident[];
  /** SIGTERM to each, and started again, with another retention. */
  restart(retention: string): Promise<void>;
  /** Reads everything back, of the results some, and stops. */
  finish(): Promise<{ readonly figures: Figures; readonly violations: string[] }>;
}

export interface LoadOptions extends PlayOptions {
  open(options?: { readonly retention?: string }): Promise<Field>;
}

/** Results that are read back of a load; of the others the state, and B's effect. */
export const resultsRead = 2_000;

const lookAgainMs = 200;

interface QueueView {
  readonly accepted: number;
  readonly backlog: number;
}

async function readQueue(url: string): Promise<QueueView> {
  const response = await fetch(`${url}/v1/queues/orders`);
  if (!response.ok) throw new Error(`GET ${response.url} answered ${response.status}`);
  return (await response.json()) as QueueView;
}

/** Resolves, with how many are left of so many, once all have their outcome or the time is over. */
export async function drained(url: string, total: number, msMax: number): Promise<number> {
  const giveUpAt = performance.now() + msMax;
  for (;;) {
    const { accepted, backlog } = await readQueue(url);
    const left = Math.max(total - accepted, 0) + backlog; // what it counts may be a moment old
    if (left === 0 || performance.now() > giveUpAt) return left;
    await delay(lookAgainMs);
  }
}

export function perSecond(count: number, ms: number): string {
  return `${Math.round(count / (ms / 1_000)).toLocaleString("en")}/s`;
}
