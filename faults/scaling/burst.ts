// A burst that one replica cannot keep up with: B goes from one to as many as the planner says, and back.
import type { Figures } from "../checker.ts";
import { whenTrue } from "../cluster/observe.ts";
import { parcelOf, type Parcel } from "../parcel.ts";
import type { Played, PlayOptions } from "../scenario.ts";
import { scaling, smallBurst, wholeBurst, type BurstShape } from "./burst-shape.ts";
import { sendEvenly } from "./even-sender.ts";
import { look, type Fleet } from "./fleet.ts";
import { plannedReplicas } from "./planned-replicas.ts";
import { decidedWithoutLead, decisionsOf, toldIn, type Decision } from "./told.ts";

export const burstFault = "none: a burst takes B from one replica to the planner's number, and back";
export const burstKilledFault = "the autoscaler killed in the middle of a burst, with B at the planner's number";

export interface BurstOptions extends PlayOptions {
  open(): Promise<Fleet>;
  /** Whether the autoscaler is killed on the way. */
  readonly isKilled: boolean;
  /** How many requests may run again because of that: what the killed one ran itself. */
  readonly rerunsMax: number;
}

const hourMs = 3_600_000;
/** From the last receipt: the meter forgets the burst within a minute, and each step down is held. */
const backMsMax = 180_000;
const reachedMsMax = 60_000;
/** What a replica must be seen to do of what it can: less is no starved machine any more, but a wrong measurement. */
const slowestShare = 0.3;

export async function playBurst({ open, isFull, isKilled, rerunsMax }: BurstOptions): Promise<Played> {
  const shape = isFull ? wholeBurst : smallBurst;
  const ideal = hourMs / shape.holdMs;
  const planned = await plannedReplicas(shape, ideal);
  await using fleet = await open();
  const course = await runBurst(fleet, { shape, planned, isKilled });
  const { figures, violations } = await fleet.finish();
  const told = toldIn(fleet.logs());
  const decisions = decisionsOf(told);
  const slowest = Math.min(ideal, ...decisions.flatMap(({ perReplicaPerHour }) => perReplicaPerHour ?? []));
  // On a loaded machine each finishes less: the planner is asked again, with what was measured.
  const plannedMost = Math.max(planned, await plannedReplicas(shape, slowest));
  const atMeasured = plannedMost === planned ? "" : ` (${plannedMost} at the rate measured)`;
  const reached = Math.max(0, ...decisions.map(({ to }) => to));
  return {
    trials: shape.requests,
    hits: isKilled ? course.kills : decisions.filter(({ from, to }) => to > from).length,
    figures,
    areEffectsOnce: rerunsMax === 0,
    violations: [
      ...course.violations,
      ...violations,
      ...wrongCounts(figures, { requests: shape.requests, rerunsMax }),
      ...wrongPeak(reached, { planned, plannedMost }),
      ...(slowest >= ideal * slowestShare
        ? []
        : [`one replica was measured at ${count(slowest)}/h, of ${count(ideal)}`]),
      ...(fleet.hasLeader ? decidedWithoutLead(told) : []).map(strayText),
    ],
    notes: [
      `planned ${planned}${atMeasured}, reached ${reached}; all done after ${seconds(course.doneMs)}, back at ${scaling.min} after ${seconds(course.backMs)}`,
      `one replica finished at least ${count(slowest)}/h, of ${count(ideal)}`,
    ],
  };
}

interface Expected {
  readonly requests: number;
  readonly rerunsMax: number;
}

function wrongCounts({ accepted, dead, starts }: Figures, { requests, rerunsMax }: Expected): readonly string[] {
  const reruns = starts - requests;
  return [
    ...(accepted === requests ? [] : [`${accepted} were accepted, of ${requests}`]),
    ...(dead === 0 ? [] : [`${dead} are dead, and B rejected none`]),
    ...(reruns <= rerunsMax ? [] : [`${reruns} began again, of at most ${rerunsMax}`]),
  ];
}

function wrongPeak(
  reached: number,
  { planned, plannedMost }: { readonly planned: number; readonly plannedMost: number },
): readonly string[] {
  if (reached >= planned && reached <= plannedMost) return [];
  return [
    `B had ${reached} replicas at its peak; the planner says ${planned}, and ${plannedMost} at the rate measured`,
  ];
}

function strayText({ by, from, to }: Decision): string {
  return `${by} went from ${from} to ${to}, and did not lead`;
}

interface Course {
  readonly doneMs: number;
  readonly backMs: number;
  readonly kills: number;
  readonly violations: readonly string[];
}

interface Run {
  readonly shape: BurstShape;
  readonly planned: number;
  readonly isKilled: boolean;
}

async function runBurst(fleet: Fleet, { shape, planned, isKilled }: Run): Promise<Course> {
  const { requests, withinSeconds } = shape;
  const { url, ledger } = fleet;
  const violations: string[] = [];
  const giveUp = new AbortController();
  const startedAt = performance.now();
  const [next, withinMs] = [burstParcels(shape), withinSeconds * 1_000];
  let accepted = 0;
  const onAccepted = (count: number): void => void (accepted = count);
  const sending = sendEvenly({ url, ledger, next, total: requests, withinMs, onAccepted, signal: giveUp.signal });
  sending.catch(() => {}); // told where it is awaited
  try {
    const isReached = async (): Promise<boolean> => ((await look(url))?.workers ?? 0) >= planned;
    if ((await whenTrue(isReached, withinMs + reachedMsMax)) === undefined)
      violations.push(`B never had the ${planned} replicas that the planner says`);
    let kills = 0;
    if (isKilled) {
      await whenTrue(() => accepted >= requests / 2, withinMs + reachedMsMax);
      await fleet.killAutoscaler();
      kills += 1;
    }
    await sending;
    const isDone = async (): Promise<boolean> => (await look(url))?.backlog === 0;
    if ((await whenTrue(isDone, backMsMax)) === undefined) violations.push("the backlog was never gone");
    const doneMs = performance.now() - startedAt;
    const isBack = async (): Promise<boolean> => (await look(url))?.workers === scaling.min;
    if ((await whenTrue(isBack, backMsMax)) === undefined) violations.push(`B never was at ${scaling.min} again`);
    return { doneMs, backMs: performance.now() - startedAt, kills, violations };
  } finally {
    giveUp.abort();
  }
}

function burstParcels({ holdMs }: BurstShape): () => Parcel {
  let count = 0;
  return () => {
    count += 1;
    return parcelOf(`burst-${count}`, Buffer.from(JSON.stringify({ order: count, holdMs })));
  };
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(0)} s`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}
