import type { Sample } from "./simulate.ts";

/** What waits at a moment of a simulated day: between two samples all runs straight, behind the last nothing waits. */
export function backlogAt(samples: readonly Sample[], atMs: number): number {
  const index = samples.findIndex((sample) => sample.atMs >= atMs);
  const [before, after] = [samples[index - 1], samples[index]];
  if (before === undefined || after === undefined) return 0;
  const share = (atMs - before.atMs) / (after.atMs - before.atMs);
  const [from, to] = [before.arrived - before.served, after.arrived - after.served];
  return from + share * (to - from);
}
