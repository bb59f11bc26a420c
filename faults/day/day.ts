// Plays the day of `sluice rehearse`: every process is killed again and again, B's logs and each result are compared with
// the client's ledger.
import type { Rehearsed } from "../../packages/sluice/src/rehearsal/rehearse.ts";
import { forbidden, type Figures } from "../checker.ts";
import { whenTrue } from "../cluster/observe.ts";
import type { Field, FieldSetting, FieldVictim } from "../field.ts";
import { countLog } from "../logs.ts";
import { Peaks } from "../peaks.ts";
import { arrivalsOf, rehearseOn } from "../rehearsal.ts";

export interface DayOptions {
  open(setting: FieldSetting): Promise<Field>;
  readonly requests: number;
  /** Of each process. */
  readonly kills: number;
  readonly seed: number;
  /** Simulated seconds in a second. */
  readonly speed: number;
}

export interface DayResult {
  readonly rehearsed: Rehearsed;
  readonly figures: Figures;
  readonly peaks: Peaks;
  readonly versions: Readonly<Record<string, string>>;
  readonly seconds: number;
  /** Empty when the day passed. */
  readonly violations: readonly string[];
}

/** What service B can process, of the day's total in an hour: 100,000 of 2,000,000. */
const ratePerHourShare = 1 / 20;
/** One request in ten goes alone. */
const singleShare = 0.1;
/** A request that dies with its process again and again is taken for poison: each life has to get somewhere. */
const effectsPerLifeShare = 0.002;
const progressMsMax = 30_000;

export async function playDay({ open, requests, kills, seed, speed }: DayOptions): Promise<DayResult> {
  const startedAt = performance.now();
  const rate = `${Math.round(requests * ratePerHourShare * speed)}/h`;
  await using field = await open({ queue: { rate }, isLedgerKept: false });
  const versions = await field.versions();
  const peaks = new Peaks();
  const rehearsed = await rehearseOn(field, {
    name: "day",
    arrivals: arrivalsOf("day", { speed, requests }),
    bodyOf: (number) => ({ order: number, sku: (number * 7_919) % 100_000, note: "x".repeat((number * 31) % 400) }),
    singleShare,
    victims: field.victims.map((victim) => onceInALife(victim, field, requests)),
    kills: kills * field.victims.length,
    seed,
    peaks,
  });
  const { figures, violations: ends } = await field.finish();
  const violations = [
    ...rehearsed.violations,
    ...ends,
    ...forbidden.filter((name) => figures[name] !== 0).map((name) => `${name} is ${figures[name]}`),
    ...(figures.accepted === requests ? [] : [`${figures.accepted} of ${requests} were accepted`]),
    ...(figures.dead === 0 ? [] : [`${figures.dead} are dead, and B rejected none`]),
  ];
  return { rehearsed, figures, peaks, versions, seconds: (performance.now() - startedAt) / 1_000, violations };
}

/** Is killed once something has come about since it was killed last, or nothing is left to come. */
function onceInALife(victim: FieldVictim, { folder }: Field, requests: number): FieldVictim {
  let least = 0;
  return {
    name: victim.name,
    async kill(signal) {
      await whenTrue(() => signal.aborted || countLog(folder, "effects") >= Math.min(least, requests), progressMsMax);
      await victim.kill(signal);
      least = countLog(folder, "effects") + effectsPerLifeShare * requests;
    },
    get pid() {
      return victim.pid;
    },
  };
}
