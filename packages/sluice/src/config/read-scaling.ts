// How many replicas a queue's worker should have: what a user wrote, with every default filled in.
import { readSetting, wrong } from "../core/setting.ts";
import type { ScalingConfig } from "./config.ts";
import { scalingSettings } from "./declared-settings.ts";
import type { ScalingSettings } from "./settings.ts";
import { assertObject } from "./read-value.ts";

const scalingFields = Object.keys(scalingSettings);

export function readScaling(place: string, scaling: ScalingConfig = {}): ScalingSettings {
  assertObject(place, scaling, scalingFields);
  const setting = (field: keyof ScalingConfig): number =>
    readSetting(`${place}.${field}`, scalingSettings[field], scaling[field]);
  const min = setting("min");
  const max = scaling.max === undefined ? Math.max(setting("max"), min) : setting("max");
  if (max < min) throw wrong(`${place}.max`, `must be at least min, which is ${min}`, max);
  return { min, max, maxWaitMs: setting("maxWait"), holdMs: setting("hold") };
}
