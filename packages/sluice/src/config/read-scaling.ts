// How many replicas a queue's worker should have: what a user wrote, with every default filled in.
import { parseDuration } from "../core/duration.ts";
import type { ScalingConfig } from "./config.ts";
import type { ScalingSettings } from "./settings.ts";
import { assertObject, read, readInteger, wrong } from "./read-value.ts";

const scalingFields = ["min", "max", "maxWait", "hold"];
const replicasMax = 10_000;

export function readScaling(place: string, scaling: ScalingConfig): ScalingSettings {
  assertObject(place, scaling, scalingFields);
  const min = readInteger(`${place}.min`, scaling.min ?? 1, { least: 1, most: replicasMax });
  const max = readInteger(`${place}.max`, scaling.max ?? Math.max(8, min), { least: 1, most: replicasMax });
  if (max < min) throw wrong(`${place}.max`, `must be at least min, which is ${min}`, max);
  const maxWaitMs = read(`${place}.maxWait`, parseDuration, scaling.maxWait ?? "5m");
  if (maxWaitMs === 0) throw wrong(`${place}.maxWait`, "must be above zero", scaling.maxWait);
  return { min, max, maxWaitMs, holdMs: read(`${place}.hold`, parseDuration, scaling.hold ?? "5m") };
}
