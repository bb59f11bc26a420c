// Abuse of every kind at once, beside good traffic that must hardly notice.
import { fileURLToPath } from "node:url";
import { startChild } from "@sluice/testing";
import type { Played } from "../scenario.ts";
import { sendOne } from "../sender.ts";
import { attacks, judgeAttacks, type Tallies } from "./attacks.ts";
import { drained, type Field, type LoadOptions } from "./field.ts";
import { jsonParcels } from "./parcels.ts";
import { Peaks } from "./peaks.ts";
import { offer, type Service } from "./steady-traffic.ts";

export const abuseFault =
  "500 slow senders, 100 MB bodies, compressed bombs, guessed ids, hostile JSON and 24 batches of 16 MiB, all at once";

const abuser = fileURLToPath(new URL("./abuser.ts", import.meta.url));
const traffic = { perSecond: 500, senders: 8 } as const;
const calmSeconds = 10;
/** A body that is too slow is cut off after 30 s. */
const abuseSeconds = 33;
const shareMin = 0.95;
/** Of any process: the batches alone, held whole and at once, would be 384. */
const mibMax = 400;
const drainMsMax = 30_000;

export async function playAbuse({ open }: LoadOptions): Promise<Played> {
  await using field = await open();
  const { urls, ledger } = field;
  const peaks = new Peaks(mibMax);
  const good = { ...traffic, urls, ledger, next: jsonParcels({ name: "good" }) };
  const warm = await offer({ ...good, seconds: 2 });
  const calm = await offer({ ...good, seconds: calmSeconds });
  const [abused, tallies] = await Promise.all([offer({ ...good, seconds: abuseSeconds }), abuse(urls, abuseSeconds)]);
  peaks.note(field.residents());
  const wrong = [
    ...judgeAttacks(tallies),
    ...judgeService(calm, abused),
    ...(await sendMissed(field, [warm, calm, abused])),
  ];
  const accepted = new Set(ledger.lines.flatMap((line) => (line.kind === "accepted" ? [line.id] : []))).size;
  await drained(urls[0], accepted, drainMsMax);
  const { figures, violations } = await field.finish();
  return {
    trials: attacks.length,
    hits: Object.values(tallies).reduce((sum, tally) => sum + countOf(tally), 0),
    figures,
    areEffectsOnce: true,
    violations: [...wrong, ...violations, ...peaks.violations()],
    notes: [
      `good traffic offered ${traffic.perSecond}/s: ${shown(calm)} calm, ${shown(abused)} abused`,
      `answers: ${attacks.map(({ kind }) => `${kind} ${tallied(tallies[kind])}`).join("; ")}`,
      peaks.text(),
    ],
  };
}

async function abuse(urls: readonly string[], seconds: number): Promise<Tallies> {
  await using child = await startChild({ command: process.execPath, args: [abuser, String(seconds), ...urls] });
  const [, text = ""] = await child.line(/^answered (.*)$/);
  return JSON.parse(text) as Tallies;
}

function judgeService(calm: Service, abused: Service): readonly string[] {
  if (calm.perSecond < shareMin * traffic.perSecond)
    return [
      `calm it served ${calm.perSecond.toFixed(1)}/s of ${traffic.perSecond}/s: this machine has no room to measure`,
    ];
  const share = abused.perSecond / calm.perSecond;
  return share >= shareMin ? [] : [`good traffic kept ${(100 * share).toFixed(1)} % of its rate, of at least 95 %`];
}

/** What got no receipt in its time gets one now. */
async function sendMissed({ urls, ledger }: Field, services: readonly Service[]): Promise<readonly string[]> {
  const answers = [];
  for (const parcel of services.flatMap(({ missed }) => missed))
    answers.push(await sendOne({ url: urls[0], parcel, ledger }));
  const without = answers.filter(({ kind }) => kind !== "accepted").length;
  return without > 0 ? [`${without} sent again got no receipt`] : [];
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
