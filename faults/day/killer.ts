// Kills each process of the stage so many times, spread over the day at random.
import type { Random } from "../../packages/sluice/src/core/seeded-random.ts";
import type { Victim } from "./victim.ts";
import type { Watch } from "./watch.ts";

export interface Kill {
  readonly name: string;
  readonly atMs: number;
}

export interface KillOptions {
  readonly victims: readonly Victim[];
  readonly watch: Watch;
  readonly kills: number;
  /** Of receipts and effects together, by the end. */
  readonly progressMax: number;
  readonly random: Random;
  readonly onKill: (kill: Kill) => void;
  /** No more kills. */
  readonly signal: AbortSignal;
}

/** The last kill comes when so much of the day is done; what is behind it shows that all goes on. */
const lastShare = 0.95;
/** A request that dies with its process again and again is taken for poison: each life has to get somewhere. */
const progressPerLifeShare = 0.002;

/** Resolves once the last process was killed for the last time. */
export async function killAll({ victims, ...options }: KillOptions): Promise<"killed"> {
  const plans = victims.map((victim) => ({ victim, goals: goalsOf(options) }));
  await Promise.all(plans.map((plan) => killOne(plan, options)));
  return "killed";
}

function goalsOf({ kills, progressMax, random }: Omit<KillOptions, "victims">): readonly number[] {
  return Array.from({ length: kills }, (_, index) => ((index + random.next()) / kills) * lastShare * progressMax);
}

async function killOne(
  { victim, goals }: { readonly victim: Victim; readonly goals: readonly number[] },
  { watch, progressMax, onKill, signal }: Omit<KillOptions, "victims">,
): Promise<void> {
  let least = 0;
  for (const goal of goals) {
    await watch.reached(Math.max(goal, Math.min(least, lastShare * progressMax)));
    if (signal.aborted) return;
    await victim.kill();
    onKill({ name: victim.name, atMs: watch.elapsedMs });
    least = watch.progress + progressPerLifeShare * progressMax;
  }
}
