// Good traffic at a fixed rate, and how it was served.
import { setTimeout as delay } from "node:timers/promises";
import type { Ledger } from "../ledger.ts";
import type { Parcel } from "../parcel.ts";
import { sendOne } from "../sender.ts";

export interface SteadyTraffic {
  readonly urls: readonly string[];
  readonly ledger: Ledger;
  readonly next: () => Parcel;
  readonly perSecond: number;
  readonly senders: number;
  readonly seconds: number;
}

export interface Service {
  readonly perSecond: number;
  /** From when a request was due to be sent until its receipt was there. */
  readonly p99Ms: number;
  /** Without a receipt so far. */
  readonly missed: readonly Parcel[];
}

/** Whoever is late sends at once: what was offered is offered. Nothing is sent once the time is over. */
export async function offer({ urls, ledger, next, ...traffic }: SteadyTraffic): Promise<Service> {
  const { perSecond, senders, seconds } = traffic;
  const startsAt = performance.now();
  const total = perSecond * seconds;
  const endsAt = startsAt + seconds * 1_000;
  const tookMs: number[] = [];
  const missed: Parcel[] = [];
  let inTime = 0;
  const sendInTurn = async (sender: number): Promise<void> => {
    for (let n = sender; n < total; n += senders) {
      const dueAt = startsAt + (n * 1_000) / perSecond;
      if (dueAt > performance.now()) await delay(dueAt - performance.now());
      if (performance.now() > endsAt) return;
      const parcel = next();
      const { kind } = await sendOne({ url: urls[n % urls.length] as string, parcel, ledger });
      const now = performance.now();
      if (kind !== "accepted") missed.push(parcel);
      else tookMs.push(now - dueAt);
      if (kind === "accepted" && now <= endsAt) inTime += 1;
    }
  };
  await Promise.all(Array.from({ length: senders }, (_, sender) => sendInTurn(sender)));
  return { perSecond: inTime / seconds, p99Ms: percentile(tookMs, 0.99), missed };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
}
