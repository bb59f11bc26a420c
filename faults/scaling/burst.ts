// A burst that one replica cannot keep up with: B goes from one to as many as the planner says, and back.
import { sluiceCommand, startChild } from "@sluice/testing";
import type { Figures } from "../checker.ts";
import { whenTrue } from "../cluster/observe.ts";
import type { Member } from "../cluster/member.ts";
import { look, type Field, type FieldSetting } from "../field.ts";
import { arrivalsOf, rehearseOn } from "../rehearsal.ts";
import type { Played, PlayOptions } from "../scenario.ts";
import { decidedWithoutLead, decisionsOf, toldIn, type Decision } from "./told.ts";

export const burstFault = "none: a burst takes B from one replica to the planner's number, and back";
export const burstKilledFault = "the autoscaler killed in the middle of a burst, with B at the planner's number";

export interface BurstOptions extends PlayOptions {
  open(setting: FieldSetting): Promise<Field>;
  /** Whether the autoscaler is killed on the way. */
  readonly isKilled: boolean;
  /** How many requests may run again because of that: what the killed one ran itself. */
  readonly rerunsMax: number;
}

interface BurstShape {
  readonly requests: number;
  /** They come evenly within this time. */
  readonly withinSeconds: number;
  /** How long the handler takes for one, and runs no other meanwhile. */
  readonly holdMs: number;
}

const burstSeconds = 90;
/** Between three and four replicas' work: neither a slow machine nor a young meter makes it another number. */
const wholeBurst: BurstShape = { requests: 20_000, withinSeconds: burstSeconds, holdMs: 15 };
/** Between two and three. */
const smallBurst: BurstShape = { requests: 1_500, withinSeconds: 15, holdMs: 25 };

const scaling = { min: 1, max: 8, maxWait: "1m", hold: "5s" } as const;
const concurrency = 32;
const hourMs = 3_600_000;
/** From the last receipt: the meter forgets the burst within a minute, and each step down is held. */
const backMsMax = 180_000;
const reachedMsMax = 60_000;
/** A dead leader is given up within half a minute. */
const ledMsMax = 60_000;
/** What a replica must be seen to do of what it can: less is no starved machine any more, but a wrong measurement. */
const slowestShare = 0.3;

export async function playBurst({ open, isFull, isKilled, rerunsMax, random }: BurstOptions): Promise<Played> {
  const shape = isFull ? wholeBurst : smallBurst;
  const ideal = hourMs / shape.holdMs;
  const planned = await plannedReplicas(shape, ideal);
  await using field = await open({ isScaled: true, queue: { scaling, concurrency } });
  const seed = random.between(0, 2 ** 31);
  const course = await runBurst(field, { shape, planned, isKilled, seed });
  const { figures, violations } = await field.finish();
  const told = toldIn(field.scalers.map(({ output }) => output));
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
      ...(field.scalers.length > 1 ? decidedWithoutLead(told) : []).map(strayText),
    ],
    notes: [
      `planned ${planned}${atMeasured}, reached ${reached}; all done after ${seconds(course.doneMs)}, back at ${scaling.min} after ${seconds(course.backMs)}`,
      `one replica finished at least ${count(slowest)}/h, of ${count(ideal)}`,
    ],
  };
}

/** The most replicas at once that `sluice plan` says of the burst, where one finishes so many an hour. */
async function plannedReplicas({ requests, withinSeconds }: BurstShape, perReplicaPerHour: number): Promise<number> {
  const arrivals = `${Math.round((requests * 3_600) / withinSeconds)}/h for ${withinSeconds}s`;
  const { min, max, maxWait, hold } = scaling;
  const goal = ["--min", String(min), "--replicas", String(max), "--max-wait", maxWait, "--hold", hold];
  const service = `${Math.round(perReplicaPerHour)}/h`;
  const args = ["plan", "--arrivals", arrivals, "--service", service, "--autoscale", ...goal, "--json"];
  await using plan = await startChild({ command: process.execPath, args: [sluiceCommand, ...args] });
  const { code } = await plan.exited;
  if (code !== 0) throw new Error(`sluice ${args.join(" ")} ended with ${code}: ${plan.output()}`);
  const { runs } = JSON.parse(plan.output()) as { readonly runs: readonly { readonly replicas: number }[] };
  return runs[0]?.replicas ?? 0;
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
  readonly seed: number;
}

async function runBurst(field: Field, { shape, planned, isKilled, seed }: Run): Promise<Course> {
  const { requests, withinSeconds, holdMs } = shape;
  const startedAt = performance.now();
  const autoscaler = {
    name: "autoscaler",
    async kill() {
      const isReached = async (): Promise<boolean> => ((await look(field))?.workers ?? 0) >= planned;
      if ((await whenTrue(isReached, reachedMsMax)) === undefined)
        throw new Error(`B never had the ${planned} replicas that the planner says`);
      await killAutoscaler(field.scalers);
    },
  };
  const { drainedMs, kills, violations } = await rehearseOn(field, {
    name: "burst",
    arrivals: arrivalsOf("burst", { speed: burstSeconds / withinSeconds, requests }),
    bodyOf: (order) => ({ order, holdMs }),
    isHeldUp: true, // an outage makes it longer, and no steeper
    victims: isKilled ? [autoscaler] : [],
    kills: 1,
    seed,
  });
  const isBack = async (): Promise<boolean> => (await look(field))?.workers === scaling.min;
  const isBackInTime = (await whenTrue(isBack, backMsMax)) !== undefined;
  return {
    doneMs: drainedMs,
    backMs: performance.now() - startedAt,
    kills: kills.filter(({ failure }) => failure === undefined).length,
    violations: [...violations, ...(isBackInTime ? [] : [`B never was at ${scaling.min} again`])],
  };
}

/** SIGKILL to the one that decides; resolves once something decides again. */
async function killAutoscaler(scalers: readonly Member[]): Promise<void> {
  const leader = scalers.length === 1 ? scalers[0] : scalers.find(leads);
  if (leader === undefined) throw new Error("no autoscaler leads");
  const before = leadsTaken(scalers);
  const ended = new Promise<void>((resolve) => leader.onEnd(resolve));
  leader.kill("SIGKILL");
  await ended;
  // By the other one, or by its own next life, should that ask first.
  const isLed = (): boolean => scalers.length === 1 || leadsTaken(scalers) > before;
  if ((await whenTrue(isLed, ledMsMax)) === undefined)
    throw new Error(`no autoscaler led within ${ledMsMax} ms of the kill of the one that did`);
  await leader.ready(); // it stands by now, or leads again
}

/** How often any of them has told that it leads from then on. */
function leadsTaken(scalers: readonly Member[]): number {
  const told = toldIn(scalers.map(({ output }) => output));
  return told.filter((one) => one.kind === "leads" && one.leads).length;
}

function leads({ output }: Member): boolean {
  const told = toldIn([output]).filter((one) => one.kind === "leads");
  return told.at(-1)?.leads === true;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(0)} s`;
}

function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}
