// What requests wait in a simulated day, first in first out.
import type { Sample } from "./simulate.ts";

export interface Waits {
  readonly worstMs: number;
  readonly p99Ms: number;
}

/** How long one waits that arrives at each sample's moment: until as many are finished as had arrived then. */
export function waitsOf(samples: readonly Sample[]): readonly number[] {
  let at = 0;
  return samples.map(({ atMs, arrived }) => {
    while (at < samples.length - 1 && (samples[at] as Sample).served < arrived) at += 1;
    const after = samples[at] as Sample;
    const before = samples[at - 1];
    if (after.atMs <= atMs || before === undefined) return 0;
    const share = (arrived - before.served) / (after.served - before.served);
    return Math.max(0, before.atMs + share * (after.atMs - before.atMs) - atMs);
  });
}

/** Over all requests, each with its own wait: within a step the waits lie evenly between those at its ends. */
export function summarise(samples: readonly Sample[], waits: readonly number[]): Waits {
  const steps = samples.slice(1).map(({ arrived }, index) => {
    const ends = [waits[index] as number, waits[index + 1] as number] as const;
    return {
      shortMs: Math.min(...ends),
      longMs: Math.max(...ends),
      count: arrived - (samples[index] as Sample).arrived,
    };
  });
  const longestFirst = steps
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.shortMs + b.longMs - a.shortMs - a.longMs);
  let left = (samples.at(-1)?.arrived ?? 0) / 100;
  let p99Ms = 0;
  for (const { shortMs, longMs, count } of longestFirst) {
    p99Ms = longMs - Math.min(1, left / count) * (longMs - shortMs);
    left -= count;
    if (left <= 0) break;
  }
  return { worstMs: waits.reduce((worst, waitMs) => Math.max(worst, waitMs), 0), p99Ms };
}
