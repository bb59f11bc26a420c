// Plays the day of `sluice rehearse`: every process is killed again and again, B's logs and each result are compared with
// the client's ledger.
import { SluiceClient, type WireOrderAudit } from "@sluice/client";
import type { Rehearsed } from "../../packages/sluice/src/rehearsal/rehearse.ts";
import { countInversions, forbidden, type Figures } from "../checker.ts";
import { whenTrue } from "../cluster/observe.ts";
import type { Field, FieldSetting, FieldVictim } from "../field.ts";
import { countLog, readLog } from "../logs.ts";
import { Peaks } from "../peaks.ts";
import { arrivalsOf, rehearseOn } from "../rehearsal.ts";

export interface DayOptions {
  open(setting: FieldSetting): Promise<Field>;
  readonly requests: number;
  /** Of each process. */
  readonly kills: number;
  readonly seed: number;
  /** Order keys, which the requests have in turn; 0 is none. */
  readonly orders: number;
  /** Simulated seconds in a second. */
  readonly speed: number;
}

export interface DayResult {
  readonly rehearsed: Rehearsed;
  readonly figures: Figures;
  /** Undefined without order keys. */
  readonly orderAudit: WireOrderAudit | undefined;
  readonly peaks: Peaks;
  readonly versions: Readonly<Record<string, string>>;
  readonly seconds: number;
  /** Empty when the day passed. */
  readonly violations: readonly string[];
}

/** Begins the key of each request, before its number. */
const profile = "day";
/** What service B can process, of the day's total in an hour: 100,000 of 2,000,000. */
const ratePerHourShare = 1 / 20;
/** One request in ten goes alone. */
const singleShare = 0.1;
/** A request that dies with its process again and again is taken for poison: each life has to get somewhere. */
const effectsPerLifeShare = 0.002;
const progressMsMax = 30_000;

export async function playDay({ open, requests, kills, seed, orders, speed }: DayOptions): Promise<DayResult> {
  const startedAt = performance.now();
  const rate = `${Math.round(requests * ratePerHourShare * speed)}/h`;
  await using field = await open({ queue: { rate }, isLedgerKept: false });
  const versions = await field.versions();
  const peaks = new Peaks();
  const rehearsed = await rehearseOn(field, {
    name: profile,
    arrivals: arrivalsOf(profile, { speed, requests }),
    bodyOf: (number) => ({ order: number, sku: (number * 7_919) % 100_000, note: "x".repeat((number * 31) % 400) }),
    singleShare,
    victims: field.victims.map((victim) => onceInALife(victim, field, requests)),
    kills: kills * field.victims.length,
    seed,
    placing: orders === 0 ? undefined : { orders, groups: [] },
    peaks,
  });
  const orderAudit = orders === 0 ? undefined : await new SluiceClient({ url: field.urls[0] }).auditOrder();
  const { figures: counted, violations: ends } = await field.finish();
  const figures = { ...counted, inversions: orders === 0 ? 0 : inversionsOn(field, orders) };
  const violations = [
    ...rehearsed.violations,
    ...ends,
    ...(orderAudit?.holds === false ? ["the audit of order does not hold"] : []),
    ...forbidden.filter((name) => figures[name] !== 0).map((name) => `${name} is ${figures[name]}`),
    ...(figures.accepted === requests ? [] : [`${figures.accepted} of ${requests} were accepted`]),
    ...(figures.dead === 0 ? [] : [`${figures.dead} are dead, and B rejected none`]),
  ];
  return {
    rehearsed,
    figures,
    orderAudit,
    peaks,
    versions,
    seconds: (performance.now() - startedAt) / 1_000,
    violations,
  };
}

/** By what B logged: the rehearsal knows only of last attempts, the audit only what the ledger says. */
function inversionsOn({ folder, ledger }: Field, orders: number): number {
  const logs = { starts: readLog(folder, "starts"), effects: readLog(folder, "effects") };
  return countInversions({ ledger: ledger.read(), ...logs }, ({ key }) =>
    String(Number(key.slice(profile.length + 1)) % orders),
  );
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
