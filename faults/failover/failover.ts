// What every failover has in common: a cluster on a primary and its standby, a client that sends to both gateways and
// repeats what got no receipt, and the checks after it.
import { setTimeout as delay } from "node:timers/promises";
import { startPostgresPair, type Postgres, type PostgresPair, type StartPostgresPairOptions } from "@sluice/testing";
import type { Need } from "../cluster/carriers.ts";
import type { ClusterPlayOptions } from "../cluster/cluster-scenario.ts";
import { ClusterStage, type Load } from "../cluster/cluster-stage.ts";
import { acceptedWithin } from "../cluster/observe.ts";
import { Server, type Servers } from "../cluster/servers.ts";
import { readLog } from "../logs.ts";
import type { Door } from "../door.ts";
import { parcelSource, type Parcel } from "../parcel.ts";
import type { FailoverFigures, Played, Recovery, Scenario } from "../scenario.ts";
import { Sender, sendOne } from "../sender.ts";
import { openFront, type Front, type FrontName } from "./fronts.ts";

export interface FailoverPlayOptions extends ClusterPlayOptions {
  /** The network is the run's own: machines can be made in it. */
  readonly isNetworkOwn: boolean;
  /** How PostgreSQL is reached, instead of as the scenario has it. */
  readonly front: FrontName | undefined;
}

export interface FailoverScenario extends Omit<Scenario, "play" | "numbers"> {
  /** Where each takes long. */
  readonly roundsMax?: number;
  /** Servers that it is about: without them it is left out. */
  readonly needs?: readonly Need[];
  play(options: FailoverPlayOptions): Promise<Played>;
}

export interface FailoverSetting {
  readonly name: string;
  /** How PostgreSQL is reached; by a list of both hosts unless given. */
  readonly front?: FrontName;
  /** Whether a commit waits for the standby; it does unless given. */
  readonly isSynchronous?: boolean;
  /** One unless given. */
  readonly workers?: number;
  /** Whether what was under way may run again; it may unless given. */
  readonly isRerunMeant?: boolean;
  /** The audit must name what is lost. */
  readonly isLossMeant?: boolean;
  /** Of both servers, as in postgresql.conf. */
  readonly settings?: StartPostgresPairOptions["settings"];
  /** Those that the pair runs on; this one unless given. */
  readonly machines?: StartPostgresPairOptions["machines"];
  /** How requests come in; by the API unless given. */
  readonly door?: Door;
  /** Instead of the usual servers. */
  readonly servers?: Parameters<Servers["with"]>[0];
}

/** What a failover has at hand. */
export interface Field extends FailoverPlayOptions {
  readonly pair: PostgresPair;
  readonly stage: ClusterStage;
  readonly sender: Sender;
  readonly load: Load;
  /** What was expected and did not come, in words. */
  readonly wrong: string[];
  /** Parcels besides those of the sender. */
  readonly probe: () => Parcel;
  /** Of each failover so far. */
  readonly recoveries: Recovery[];
  /** What the audit said, if that is not judged at the end. */
  audit: string;
}

const effectMs = 20;
const restMs = 60;
/** After a refusal: refused clients must not keep the machine from promoting. */
const pauseMs = 100;
const receiptMsMax = 90_000;
const lookAgainMs = 50;

export async function underFailover(
  options: FailoverPlayOptions,
  setting: FailoverSetting,
  fault: (field: Field) => Promise<void>,
): Promise<Played> {
  const { rounds, random, logFolder } = options;
  const {
    name,
    front: usual = "hosts",
    isSynchronous = true,
    workers = 1,
    isRerunMeant = true,
    isLossMeant = false,
    servers: own,
    settings,
    machines,
    door,
  } = setting;
  await using pair = await startPostgresPair({ isSynchronous, settings, machines });
  await using front = await openFront(options.front ?? usual, pair);
  const servers = options.servers.with({ ...own, postgres: serverOf(pair, front) });
  await using stage = await ClusterStage.open({ servers, logFolder, mode: "honours-key", workers, door });
  await stage.behave(`wait:${effectMs}`);
  const sender = new Sender(stage.ledger, parcelSource(name, random), door);
  await using load = stage.load(sender, { restMs, pauseMs });
  const field: Field = {
    ...options,
    pair,
    stage,
    sender,
    load,
    wrong: [],
    probe: parcelSource(`${name}-probe`, random),
    recoveries: [],
    audit: "holds",
  };
  await sender.acceptedMore(1);
  await fault(field);
  await load.stop();
  await stage.sampleResults(sender.ids);
  const { figures, violations } = await stage.finish([sender], { isLossMeant });
  const failover = figuresOf(field, readLog(stage.folder, "starts"));
  const wrong = [...field.wrong, ...violations];
  if (failover.startedThrice > 0) wrong.push(`${failover.startedThrice} requests ran more than twice`);
  if (!isRerunMeant && failover.extraStarts > 0) wrong.push(`${failover.extraStarts} requests ran again`);
  return {
    trials: rounds,
    hits: failover.recoveries.length,
    figures,
    areEffectsOnce: true,
    violations: wrong,
    failover,
  };
}

/** The pair as the one server that a stage knows. It does not end with the stage. */
function serverOf(pair: PostgresPair, front: Front): Server<Postgres> {
  return new Server<Postgres>({ folder: "", port: 0 }, () =>
    Promise.resolve({
      ...pair.primary,
      async createDatabase(name) {
        await pair.primary.createDatabase(name);
        return front.urlOf(name);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  );
}

function figuresOf({ recoveries, audit }: Field, starts: Iterable<{ readonly id: string }>): FailoverFigures {
  const runs = new Map<string, number>();
  for (const { id } of starts) runs.set(id, (runs.get(id) ?? 0) + 1);
  const extra = [...runs.values()].filter((count) => count > 1);
  return {
    recoveries,
    extraStarts: extra.reduce((sum, count) => sum + count - 1, 0),
    startedThrice: extra.filter((count) => count > 2).length,
    audit,
  };
}

/** Promotes the standby, and waits until every gateway gives receipts again. */
export function promote(field: Field): Promise<void> {
  return recover(field, () => field.pair.promote());
}

/** The step of a failover after which there can be receipts again; waits until every gateway gives them. */
export async function recover(field: Field, step: () => Promise<void>): Promise<void> {
  const { stage, wrong, recoveries } = field;
  const startedAt = performance.now();
  const since = (): number => performance.now() - startedAt;
  const looking = Promise.all(stage.urls.map((url) => firstReceiptAt(url, field, since)));
  await step();
  const stepMs = since();
  const seen = await looking;
  const missing = seen.filter((ms) => ms === undefined).length;
  if (missing > 0) wrong.push(`${missing} gateways gave no receipt within ${receiptMsMax} ms of the failover`);
  const ms = seen.map((ms) => ms ?? since());
  recoveries.push({ stepMs, firstReceiptMs: Math.min(...ms), everyReceiptMs: Math.max(...ms) });
}

async function firstReceiptAt(
  url: string,
  { stage, sender, probe }: Field,
  since: () => number,
): Promise<number | undefined> {
  for (;;) {
    const { kind } = await sendOne({ url, ledger: stage.ledger, parcel: probe(), door: sender.door });
    if (kind === "accepted") return since();
    if (since() > receiptMsMax) return undefined;
    await delay(lookAgainMs);
  }
}

/** A new standby in the place of the old primary: commits wait for it from then on. */
export async function rejoin({ pair }: Field): Promise<void> {
  await pair.rejoin();
  await pair.setSynchronous(true);
}

/** Where no receipt was to come: says how many came for what was sent since this line of the client's ledger. */
export function forbidReceipts({ stage, wrong }: Field, from: number, why: string): void {
  const accepted = acceptedWithin(stage.ledger.lines.slice(from));
  if (accepted > 0) wrong.push(`${accepted} receipts ${why}`);
}
