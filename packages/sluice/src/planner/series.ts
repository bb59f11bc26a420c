// A run's samples as the lines of a chart: evenly spaced moments, few enough to draw.
import type { Sample } from "./simulate.ts";
import { waitsOf } from "./waits.ts";

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

export interface Series {
  /** Per hour, over the time since the point before. */
  readonly arrivals: readonly Point[];
  readonly service: readonly Point[];
  readonly backlog: readonly Point[];
  /** Of those that arrive then; 0 once nothing arrives any more. */
  readonly waitMs: readonly Point[];
}

const hourMs = 3_600_000;

export function seriesOf(samples: readonly Sample[], pointsMax: number): Series {
  const lengthMs = samples.at(-1)?.atMs ?? 0;
  const waits = waitsOfArrivals(samples);
  const times = Array.from({ length: Math.floor(pointsMax) + 1 }, (_, n) => (lengthMs * n) / Math.floor(pointsMax));
  const arrived = along(
    samples.map(({ atMs, arrived: value }) => ({ atMs, value })),
    times,
  );
  const served = along(
    samples.map(({ atMs, served: value }) => ({ atMs, value })),
    times,
  );
  const backlog = samples.map((sample) => ({ atMs: sample.atMs, value: sample.arrived - sample.served }));
  return {
    arrivals: perHour(arrived),
    service: perHour(served),
    backlog: peaks(backlog, along(backlog, times)),
    waitMs: peaks(waits, along(waits, times)),
  };
}

/** Falls to 0 at the last arrival's moment: whoever drains afterwards has arrived already. */
function waitsOfArrivals(samples: readonly Sample[]): readonly Point[] {
  const total = samples.at(-1)?.arrived ?? 0;
  const last = samples.findIndex(({ arrived }) => arrived >= total);
  const waits = waitsOf(samples).map((value, index) => ({ atMs: (samples[index] as Sample).atMs, value }));
  const end = (samples[last] as Sample).atMs;
  return [...waits.slice(0, last + 1), { atMs: end, value: 0 }, { atMs: samples.at(-1)?.atMs ?? end, value: 0 }];
}

/** The values at given times, in order, on the straight lines between the points. */
function along(points: readonly Point[], times: readonly number[]): readonly Point[] {
  let at = 0;
  return times.map((atMs) => {
    while (at < points.length - 2 && (points[at + 1] as Point).atMs < atMs) at += 1;
    const before = points[at] as Point;
    const after = points[at + 1] ?? before;
    const share = after.atMs > before.atMs ? Math.min(1, (atMs - before.atMs) / (after.atMs - before.atMs)) : 0;
    return { atMs, value: before.value + share * (after.value - before.value) };
  });
}

/** Each with the highest value since the one before, so that no short peak goes missing between two moments. */
function peaks(points: readonly Point[], at: readonly Point[]): readonly Point[] {
  let next = 0;
  return at.map(({ atMs, value }) => {
    let most = value;
    for (; next < points.length && (points[next] as Point).atMs <= atMs; next += 1) {
      most = Math.max(most, (points[next] as Point).value);
    }
    return { atMs, value: most };
  });
}

function perHour(counts: readonly Point[]): readonly Point[] {
  return counts.slice(1).map(({ atMs, value }, index) => {
    const before = counts[index] as Point;
    return { atMs, value: Math.max(0, ((value - before.value) * hourMs) / (atMs - before.atMs)) };
  });
}
