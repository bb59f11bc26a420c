// Kills what it was given, at random moments of the day that a seed fixes.
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/seeded-random.ts";

export interface Victim {
  readonly name: string;
  /** Resolves once it is killed; it is somebody else's matter to start it again. */
  kill(signal: AbortSignal): Promise<void>;
}

export interface Kill {
  readonly name: string;
  readonly atMs: number;
  /** Why it could not be done. */
  readonly failure: string | undefined;
}

export interface KillOptions {
  readonly victims: readonly Victim[];
  /** In all: each victim gets its share, in random order. */
  readonly kills: number;
  /** What of the day they are spread over. */
  readonly withinMs: number;
  readonly random: Random;
  readonly clock: Clock;
  readonly onKill: (kill: Kill) => void;
  readonly signal: AbortSignal;
}

/** The last kill comes when so much of the day is over: what is behind it shows that all goes on. */
const lastShare = 0.95;

export async function killOften({ victims, kills, withinMs, random, clock, onKill, signal }: KillOptions) {
  const startedAt = clock.monotonic();
  const under = new Map<Victim, Promise<void>>();
  const killOne = async (victim: Victim): Promise<void> => {
    if (signal.aborted) return;
    const failure = await victim.kill(signal).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (!signal.aborted) onKill({ name: victim.name, atMs: clock.monotonic() - startedAt, failure });
  };
  for (const { victim, atMs } of killPlan({ victims, kills, withinMs, random })) {
    await delay(Math.max(0, startedAt + atMs - clock.monotonic()), undefined, { signal }).catch(() => undefined);
    // A slow kill holds up the next one of the same victim, and of nobody else.
    under.set(
      victim,
      (under.get(victim) ?? Promise.resolve()).then(() => killOne(victim)),
    );
  }
  await Promise.all(under.values());
}

interface PlannedKill {
  readonly victim: Victim;
  readonly atMs: number;
}

/** Each in a stretch of its own of the time, so that they do not all come at once. */
export function killPlan({
  victims,
  kills,
  withinMs,
  random,
}: Pick<KillOptions, "victims" | "kills" | "withinMs" | "random">): readonly PlannedKill[] {
  if (victims.length === 0) return [];
  const order = Array.from({ length: kills }, (_, at) => ({ victim: victims[at % victims.length], by: random.next() }));
  return order
    .toSorted((a, b) => a.by - b.by)
    .map(({ victim }, at) => ({
      victim: victim as Victim,
      atMs: ((at + random.next()) / kills) * lastShare * withinMs,
    }));
}
