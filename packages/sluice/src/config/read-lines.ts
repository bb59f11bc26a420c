// What a queue says of order keys, groups and urgencies, with every default filled in; undefined where it says nothing.
import { lineSettingsDefault, type LineSettings } from "../core/line-settings.ts";
import { isPlacementName, placementNameRule } from "../core/placement.ts";
import { readSetting, wrong } from "../core/setting.ts";
import type { GroupsConfig, QueueConfig } from "./config.ts";
import { groupsSettings, prioritiesSettings, weightSetting } from "./declared-settings.ts";
import { assertObject } from "./read-value.ts";

const groupsFields = ["weight", ...Object.keys(groupsSettings)];
const weightsMax = 10_000;

export function readLines(
  at: (field: string) => string,
  queue: Pick<QueueConfig, "order" | "groups" | "priorities">,
): LineSettings | undefined {
  return (queue.order ?? queue.groups ?? queue.priorities) === undefined ? undefined : readSaid(at, queue);
}

function readSaid(
  at: (field: string) => string,
  { order = {}, groups = {}, priorities = {} }: Pick<QueueConfig, "order" | "groups" | "priorities">,
): LineSettings {
  assertObject(at("order"), order, ["afterDead"]);
  assertObject(at("groups"), groups, groupsFields);
  assertObject(at("priorities"), priorities, Object.keys(prioritiesSettings));
  const { afterDead = lineSettingsDefault.afterDead } = order;
  if (afterDead !== "next" && afterDead !== "hold")
    throw wrong(at("order.afterDead"), 'must be "next" or "hold"', afterDead);
  const { concurrency, rate, backlogMax } = groupsSettings;
  return {
    afterDead,
    riseMs: readSetting(at("priorities.riseEvery"), prioritiesSettings.riseEvery, priorities.riseEvery),
    weights: readWeights(at("groups.weight"), groups.weight),
    concurrency: readSetting(at("groups.concurrency"), concurrency, groups.concurrency),
    ratePerHour: readSetting(at("groups.rate"), rate, groups.rate),
    backlogMax: readSetting(at("groups.backlogMax"), backlogMax, groups.backlogMax),
  };
}

function readWeights(place: string, weights: GroupsConfig["weight"] = {}): Readonly<Record<string, number>> {
  if (typeof weights !== "object" || weights === null || Array.isArray(weights))
    throw wrong(place, "must be an object: a number for each group", weights);
  const names = Object.keys(weights);
  if (names.length > weightsMax) throw wrong(place, `has at most ${weightsMax} groups`, names.length);
  const wrongName = names.find((name) => !isPlacementName(name));
  if (wrongName !== undefined) throw wrong(place, `has names of groups: ${placementNameRule}`, wrongName);
  return Object.fromEntries(
    Object.entries(weights).map(([name, weight]) => [
      name,
      readSetting(`${place}[${JSON.stringify(name)}]`, weightSetting, weight) as number,
    ]),
  );
}
