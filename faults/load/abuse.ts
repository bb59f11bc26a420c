// Abuse of every kind at once, beside good traffic that must hardly notice.
import { fileURLToPath } from "node:url";
import { startChild } from "@sluice/testing";
import { parseArrivals } from "../../packages/sluice/src/planner/arrivals.ts";
import { arrivalMsOf } from "../../packages/sluice/src/rehearsal/compressed-day.ts";
import { drained, residentsOf, type Field } from "../field.ts";
import { Peaks } from "../peaks.ts";
import { sendOn } from "../rehearsal.ts";
import type { Played } from "../scenario.ts";
import { attacks, judgeAttacks, type Tallies } from "./attacks.ts";

export const abuseFault =
  "500 slow senders, 100 MB bodies, compressed bombs, guessed ids, hostile JSON and 24 batches of 16 MiB, all at once";

const abuser = fileURLToPath(new URL("./abuser.ts", import.meta.url));
const offeredPerSecond = 500;
const warmSeconds = 2;
const calmSeconds = 10;
/** A body that is too slow is cut off after 30 s. */
const abuseSeconds = 33;
const shareMin = 0.95;
/** Of any process: the batches alone, held whole and at once, would be 384. */
const mibMax = 400;
const drainMsMax = 30_000;

export async function playAbuse(open: () => Promise<Field>): Promise<Played> {
  await using field = await open();
  const peaks = new Peaks(mibMax);
  await offer(field, { name: "warm", seconds: warmSeconds });
  const calm = await offer(field, { name: "calm", seconds: calmSeconds });
  const [abused, tallies] = await Promise.all([
    offer(field, { name: "abused", seconds: abuseSeconds }),
    abuse(field.urls, abuseSeconds),
  ]);
  peaks.note(residentsOf(field));
  const wrong = [...judgeAttacks(tallies), ...judgeService(calm, abused)];
  await drained(field, offeredPerSecond * (warmSeconds + calmSeconds + abuseSeconds), drainMsMax);
  const { figures, violations } = await field.finish();
  return {
    trials: attacks.length,
    hits: Object.values(tallies).reduce((sum, tally) => sum + countOf(tally), 0),
    figures,
    areEffectsOnce: true,
    violations: [...wrong, ...violations, ...peaks.violations()],
    notes: [
      `good traffic offered ${offeredPerSecond}/s: ${shown(calm)} calm, ${shown(abused)} abused`,
      `answers: ${attacks.map(({ kind }) => `${kind} ${tallied(tallies[kind])}`).join("; ")}`,
      peaks.text(),
    ],
  };
}

interface Service {
  /** Receipts within the time. */
  readonly perSecond: number;
  /** From when a request was due to be sent until its receipt was there. */
  readonly p99Ms: number;
}

/** Good traffic at a fixed rate, one request in a POST. A sender that is late sends at once, so that the rate holds. */
async function offer(field: Field, { name, seconds }: { name: string; seconds: number }): Promise<Service> {
  const arrivals = parseArrivals(`${offeredPerSecond}/s for ${seconds}s`, 0);
  const tookMs: number[] = [];
  const startedAt = performance.now();
  let inTime = 0;
  const onReceipt = (number: number): void => {
    const elapsedMs = performance.now() - startedAt;
    if (elapsedMs <= seconds * 1_000) inTime += 1;
    tookMs.push(elapsedMs - arrivalMsOf(arrivals, number));
  };
  const bodyOf = (number: number): string => `order ${number} of ${name}`;
  await sendOn(field, { name, arrivals, bodyOf, singleShare: 1, onReceipt });
  const sorted = tookMs.toSorted((left, right) => left - right);
  return { perSecond: inTime / seconds, p99Ms: sorted[Math.floor(0.99 * (sorted.length - 1))] ?? Number.NaN };
}

async function abuse(urls: readonly string[], seconds: number): Promise<Tallies> {
  await using child = await startChild({ command: process.execPath, args: [abuser, String(seconds), ...urls] });
  const [, text = ""] = await child.line(/^answered (.*)$/);
  return JSON.parse(text) as Tallies;
}

function judgeService(calm: Service, abused: Service): readonly string[] {
  if (calm.perSecond < shareMin * offeredPerSecond)
    return [
      `calm it served ${calm.perSecond.toFixed(1)}/s of ${offeredPerSecond}/s: this machine has no room to measure`,
    ];
  const share = abused.perSecond / calm.perSecond;
  return share >= shareMin ? [] : [`good traffic kept ${(100 * share).toFixed(1)} % of its rate, of at least 95 %`];
}

function shown({ perSecond, p99Ms }: Service): string {
  return `${perSecond.toFixed(1)}/s with a p99 of ${p99Ms.toFixed(0)} ms`;
}

function tallied(tally: Tallies[keyof Tallies]): string {
  return Object.entries(tally)
    .map(([answer, count]) => `${count} × ${answer}`)
    .join(" and ");
}

function countOf(tally: Tallies[keyof Tallies]): number {
  return Object.values(tally).reduce((sum, count) => sum + count, 0);
}
