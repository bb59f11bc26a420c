// An hour's peak in a minute: all at once, then drained.
import { perSecond, type Field } from "../field.ts";
import { Peaks } from "../peaks.ts";
import { arrivalsOf, rehearseOn } from "../rehearsal.ts";
import type { Played, PlayOptions } from "../scenario.ts";

export const peakFault = "none: an hour's peak as fast as it is taken, then drained";

const requestsShort = 2_000;
/** Of the requests so many come one at a time. */
const singleShare = 0.02;
/** Of any process: at full speed garbage is collected late. */
const mibMax = 400;

export async function playPeak(open: () => Promise<Field>, { isShort, random }: PlayOptions): Promise<Played> {
  await using field = await open();
  // All of it is due within a second.
  const arrivals = arrivalsOf("peak", { speed: 3_600, requests: isShort ? requestsShort : undefined });
  const peaks = new Peaks(mibMax);
  const {
    figures: seen,
    violations: rehearsed,
    sendingMs,
    drainedMs,
  } = await rehearseOn(field, {
    name: "peak",
    arrivals,
    bodyOf: (number) => `order ${number}`,
    singleShare,
    seed: random.between(0, 2 ** 31),
    peaks,
  });
  const { figures, violations } = await field.finish();
  const total = seen.requests;
  const done = figures.accepted - figures.dead - figures.lost;
  return {
    trials: total,
    hits: figures.accepted,
    figures,
    areEffectsOnce: true,
    violations: [
      ...rehearsed,
      ...violations,
      ...(done === total ? [] : [`${done} are done, of ${total}`]),
      ...peaks.violations(),
    ],
    notes: [`sent ${perSecond(total, sendingMs)}, done ${perSecond(total, drainedMs)}`, peaks.text()],
  };
}
