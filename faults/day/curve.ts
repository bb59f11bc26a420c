// The backlog over the day, drawn as the product draws that of a rehearsal.
import { drawBacklog } from "../../packages/sluice/src/rehearsal/draw-backlog.ts";
import type { Kill } from "./killer.ts";
import type { Sample } from "./watch.ts";

export function backlogOf({ accepted, effects }: Sample): number {
  return Math.max(0, accepted - effects);
}

export function drawCurve(samples: readonly Sample[], kills: readonly Kill[], title: string): string {
  const points = samples.map((sample) => ({ atMs: sample.atMs, backlog: backlogOf(sample) }));
  return drawBacklog({ title, points, kills });
}
