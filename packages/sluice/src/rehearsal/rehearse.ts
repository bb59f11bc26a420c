// A rehearsal: sends a compressed day to a deployment, has processes of it killed on the way, waits until all is
// finished, and holds its own books against what the deployment gives back. It sees no more than a client does.
import type { SluiceClient, WireAudit } from "@sluice/client";
import { SluiceError } from "../core/errors.ts";
import { seededRandom } from "../core/seeded-random.ts";
import type { Arrivals } from "../planner/arrivals.ts";
import { backlogAt } from "../planner/backlog-at.ts";
import { simulate, type Sample } from "../planner/simulate.ts";
import { Books, type Witness } from "./books.ts";
import { lengthMsOf } from "./compressed-day.ts";
import { DaySender, type DaySenderOptions } from "./day-sender.ts";
import { killOften, type Kill, type Victim } from "./killer.ts";
import { namedMax, readBack, type ReadBackOptions } from "./read-back.ts";
import { placementOf, readTurns, type GroupWait, type Placing } from "./turns.ts";
import { violationsOf, type Figures } from "./violations.ts";
import { Watch } from "./watch.ts";

type Clients = readonly [SluiceClient, ...SluiceClient[]];

export interface RehearsalOptions
  extends Omit<DaySenderOptions, "books" | "placementOf">, Pick<ReadBackOptions, "isResultOf"> {
  /** The same gateways, with calls that outlive the restart of one. */
  readonly patient: Clients;
  readonly seed: number;
  /** Order keys and groups; none unless given. */
  readonly placing?: Placing | undefined;
  readonly witness?: Witness;
  /** Whether the queue may have other requests. */
  readonly isBesideOthers: boolean;
  /** What the deployment finishes an hour; undefined takes the queue's own rate, if it has one. */
  readonly servicePerHour: number | undefined;
  readonly victims: readonly Victim[];
  readonly kills: number;
  /** Called once with what can be looked at while it runs. */
  readonly onStart: (progress: () => Progress) => void;
  /** Sends and kills no more, and reports. */
  readonly stop: AbortSignal;
  /** Ends at once: it throws. */
  readonly abort: AbortSignal;
}

export interface Progress {
  readonly accepted: number;
  readonly total: number;
  readonly unanswered: number;
  readonly backlog: number;
  readonly kills: number;
}

export interface CurvePoint {
  readonly atMs: number;
  readonly backlog: number;
  /** By the planner; undefined when no rate is known. */
  readonly planned: number | undefined;
}

export interface Rehearsed {
  readonly isInterrupted: boolean;
  readonly figures: Figures;
  readonly kills: readonly Kill[];
  readonly curve: readonly CurvePoint[];
  readonly servicePerHour: number | undefined;
  readonly peakBacklog: number;
  readonly plannedPeak: number | undefined;
  readonly sendingMs: number;
  /** How far receipts came after their requests were due, at most. */
  readonly behindMsMax: number;
  /** When nothing of it waited any more. */
  readonly drainedMs: number;
  readonly groups: readonly GroupWait[];
  readonly audit: WireAudit;
  readonly violations: readonly string[];
  /** A few ids of what is wrong. */
  readonly wrong: readonly string[];
}

export async function rehearse(given: RehearsalOptions): Promise<Rehearsed> {
  const { queue, patient, day, seed, placing, abort, stop } = given;
  const options = { ...given, placementOf: placing && ((number: number) => placementOf(placing, number)) };
  const before = await lookBefore(options);
  const servicePerHour = options.servicePerHour ?? before.ratePerHour;
  const books = new Books(options.witness);
  const random = seededRandom(seed, "results");
  const kills: Kill[] = [];
  const watch = new Watch({ ...options, books, random });
  options.onStart(() => ({
    accepted: books.accepted,
    total: Math.round(day.total),
    unanswered: books.unknown,
    backlog: watch.backlog,
    kills: kills.length,
  }));
  const behindMsMax = await runDay({ options, books, watch, kills });
  const sendingMs = watch.elapsedMs;
  await drain(options, watch);
  const drainedMs = watch.elapsedMs;
  abort.throwIfAborted();
  const { seenResults } = watch;
  const isInterrupted = stop.aborted;
  const patienceMs = isInterrupted ? 0 : options.patienceMs;
  const found = await readBack({ ...options, clients: patient, books, seenResults, patienceMs, signal: abort });
  const audit = await patient[0].audit({ signal: abort });
  const { wrong, ...counts } = found;
  const turns = placing && (await readTurns({ client: patient[0], queue, books, placing, signal: abort }));
  const figures: Figures = {
    requests: Math.round(day.total),
    accepted: books.accepted,
    unknown: books.unknown,
    refused: books.refused,
    withoutReceipt: Math.round(day.total) - books.accepted,
    unsettled: books.unsettled,
    unaccounted: options.isBesideOthers ? undefined : acceptedOf(audit, queue) - before.accepted - books.accepted,
    outOfTurn: placing?.orders ? turns?.outOfTurn.length : undefined,
    ...counts,
  };
  const planned = servicePerHour === undefined ? undefined : plannedSamples(day, servicePerHour);
  return {
    isInterrupted,
    figures,
    kills,
    curve: watch.readings.map((reading) => ({ ...reading, planned: planned && backlogAt(planned, reading.atMs) })),
    servicePerHour,
    peakBacklog: watch.peak,
    plannedPeak: planned?.reduce((most, { arrived, served }) => Math.max(most, arrived - served), 0),
    sendingMs,
    behindMsMax,
    drainedMs,
    groups: turns?.waits ?? [],
    audit,
    violations: violationsOf({ figures, audit, kills, isInterrupted }),
    wrong: [...wrong, ...(turns?.outOfTurn.slice(0, namedMax).map((id) => `out of turn ${id}`) ?? [])],
  };

  function plannedSamples(arrivals: Arrivals, perReplicaPerHour: number): readonly Sample[] {
    const service = { perReplicaPerHour, ratePerHour: undefined };
    return simulate(arrivals, service, { kind: "fixed", replicas: 1 });
  }
}

interface Before {
  readonly accepted: number;
  readonly ratePerHour: number | undefined;
}

async function lookBefore({ patient, queue, isBesideOthers, stop }: RehearsalOptions): Promise<Before> {
  const [client] = patient;
  const { backlog, ratePerHour, paused } = await client.queue(queue, { signal: stop });
  if (paused) throw new SluiceError("bad-config", `the queue ${queue} is paused: nothing would be finished`);
  if (backlog > 0 && !isBesideOthers) {
    const rule = "a rehearsal wants a queue without a backlog, or --beside-others";
    throw new SluiceError("bad-config", `${rule}, got ${backlog} waiting in ${queue}`);
  }
  const audit = await client.audit({ signal: stop });
  if (!audit.holds) throw new SluiceError("internal", "the law does not hold before the rehearsal: see sluice audit");
  return { accepted: acceptedOf(audit, queue), ratePerHour: ratePerHour ?? undefined };
}

function acceptedOf({ queues }: WireAudit, name: string): number {
  return queues.find(({ queue }) => queue === name)?.accepted ?? 0;
}

interface Running {
  readonly options: RehearsalOptions;
  readonly books: Books;
  readonly watch: Watch;
  readonly kills: Kill[];
}

/** Sends, kills and looks, all at once, until the day is sent. How far it was behind at most. */
async function runDay({ options, books, watch, kills }: Running): Promise<number> {
  const { day, seed, stop, abort } = options;
  const sent = new AbortController();
  const ended = AbortSignal.any([sent.signal, stop, abort]);
  const sender = new DaySender({ ...options, books });
  const killing = killOften({
    ...options,
    withinMs: lengthMsOf(day),
    random: seededRandom(seed, "kills"),
    onKill: (kill) => kills.push(kill),
    signal: ended,
  });
  const looking = watch.look(sent.signal);
  try {
    await sender.send({ stop, abort });
    if (!stop.aborted) await killing;
    return sender.behindMsMax;
  } finally {
    sent.abort();
    await Promise.all([killing, looking]);
  }
}

/** Beside others nobody sees when all is finished: the reading back waits for it. */
async function drain({ isBesideOthers, stop, abort }: RehearsalOptions, watch: Watch): Promise<void> {
  if (isBesideOthers || stop.aborted) return;
  const { length } = watch.readings;
  const isEmpty = (): boolean => watch.isStuck || (watch.backlog === 0 && watch.readings.length > length);
  await watch.look(AbortSignal.any([stop, abort]), isEmpty);
}
