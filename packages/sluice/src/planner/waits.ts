// What requests wait in a simulated day, first in first out.
import type { Sample } from "./simulate.ts";

export interface Waits {
  readonly worstMs: number;
  readonly p99Ms: number;
}

const accurateMs = 0.001;

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
  const worstMs = waits.reduce((worst, waitMs) => Math.max(worst, waitMs), 0);
  const longer = (samples.at(-1)?.arrived ?? 0) / 100;
  let [fromMs, toMs] = [0, worstMs];
  while (toMs - fromMs > accurateMs) {
    const middleMs = (fromMs + toMs) / 2;
    if (countOver(middleMs, samples, waits) > longer) fromMs = middleMs;
    else toMs = middleMs;
  }
  return { worstMs, p99Ms: toMs };
}

/** How many wait for longer than this. */
function countOver(waitMs: number, samples: readonly Sample[], waits: readonly number[]): number {
  let over = 0;
  for (let index = 1; index < samples.length; index += 1) {
    const [a, b] = [waits[index - 1] as number, waits[index] as number];
    const longMs = Math.max(a, b);
    if (longMs <= waitMs) continue;
    const count = (samples[index] as Sample).arrived - (samples[index - 1] as Sample).arrived;
    over += count * Math.min(1, (longMs - waitMs) / Math.abs(a - b));
  }
  return over;
}
