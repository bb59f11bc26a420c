// The groups of `sluice plan`: who sends which part of the day, and what the queue says of them.
import { Option, type Command } from "commander";
import type { QueueConfig } from "../config/config.ts";
import { groupsSettings, prioritiesSettings, queueSettings, weightSetting } from "../config/declared-settings.ts";
import { loadConfigFile } from "../config/load-file.ts";
import { lineSettingsDefault } from "../core/line-settings.ts";
import { readLines } from "../config/read-lines.ts";
import { formatDuration } from "../core/duration.ts";
import { urgencyDefault } from "../core/fair-choice.ts";
import { isPlacementName, placementNameRule } from "../core/placement.ts";
import { readSetting, wrong } from "../core/setting.ts";
import type { GroupShare, GroupsOptions, GroupWaits, Waited } from "../planner/group-waits.ts";
import type { Share } from "../rehearsal/turns.ts";
import { usageError } from "./failure.ts";
import { clientSettings, parsedFlag, planSettings, settingOption } from "./flag-settings.ts";
import { formatCount, printLine, printTable } from "./print.ts";
import { addConfigFlag } from "./role-flags.ts";

export interface GroupFlags {
  readonly group: readonly GroupShare[];
  readonly queue?: string;
  readonly config?: string;
  readonly concurrency?: number;
  readonly riseEvery?: number;
}

export type PlannedGroups = Pick<GroupsOptions, "groups" | "settings" | "concurrency">;

const groupsMax = 100;
/** Shares are decimal fractions, whose sum may be off by rounding. */
const dust = 1e-9;
const groupForm = /^(.+?)=(\d+(?:\.\d+)?)%?((?:,[a-z]+=[^,]+)*)$/;
const members = {
  urgency: clientSettings.priority,
  weight: weightSetting,
  concurrency: groupsSettings.concurrency,
  rate: groupsSettings.rate,
} as const;

export const groupsHelp = `
--group NAME=SHARE says who sends how much, in percent; what is left over comes without a group. It goes on with what is true of
this group alone: ,urgency=N,weight=N,concurrency=N,rate=RATE. The rest is in the queue of the configuration that --queue names:
its rate and concurrency, the weights and limits of its groups, riseEvery. Then one run, the one that is drawn, is played request
by request, each replica running --concurrency of them at once and all taking as long. Which one begins is up to the very choice
that Sluice makes. Of a day of more than 500,000 requests one in several is played, and takes so many times as long. The table of
replicas and the policy know no limits of groups.
`;

export function addGroupFlags(command: Command): Command {
  command
    .addOption(
      new Option("--group <name=share>", "who sends so many percent; again for each further group")
        .argParser(groupFlag)
        .default([], "none"),
    )
    .option("-q, --queue <name>", "the queue of the configuration that says what groups may, under --group");
  return addConfigFlag(command)
    .addOption(
      settingOption(
        "--concurrency <n>",
        `how many requests a replica runs at once, under --group; the queue's unless given, or ${queueSettings.concurrency.default}`,
        planSettings.concurrency,
      ),
    )
    .addOption(
      settingOption(
        "--rise-every <duration>",
        `after how long one that waits is a step more urgent, under --group; the queue's unless given, or ${prioritiesSettings.riseEvery.default}`,
        planSettings.riseEvery,
      ),
    );
}

/** With the queue's rate; undefined where no groups were given. Errors: `usage`, `bad-config`. */
export async function readGroups(
  flags: GroupFlags,
): Promise<(PlannedGroups & { readonly ratePerHour: number | undefined }) | undefined> {
  const { group: named, queue: name = "", concurrency, riseEvery } = flags;
  if (named.length === 0) {
    const lone = (["queue", "config", "concurrency", "riseEvery"] as const).find((flag) => flags[flag] !== undefined);
    if (lone === undefined) return undefined;
    throw usageError("--queue, --config, --concurrency and --rise-every need --group: who sends how much?");
  }
  const queue = await readQueue(flags);
  const at = (field: string): string => `queues.${name}.${field}`;
  const fixed = <T>(value: T | "auto" | undefined): T | undefined => (value === "auto" ? undefined : value);
  const lines = readLines(at, queue) ?? lineSettingsDefault;
  return {
    groups: withRest(named),
    settings: { ...lines, riseMs: riseEvery ?? lines.riseMs },
    concurrency: concurrency ?? readSetting(at("concurrency"), queueSettings.concurrency, fixed(queue.concurrency)),
    ratePerHour: readSetting(at("rate"), queueSettings.rate, fixed(queue.rate)),
  };
}

async function readQueue({ queue, config }: GroupFlags): Promise<QueueConfig> {
  if (queue === undefined) {
    if (config === undefined) return {};
    throw usageError("--config needs --queue: which one of it?");
  }
  const queues = (await loadConfigFile(config))?.queues ?? {};
  const found = Object.hasOwn(queues, queue) ? queues[queue] : undefined;
  if (typeof found === "object" && found !== null) return found;
  throw usageError(`--queue must name a queue of the configuration, got ${queue}`);
}

/** Of all. Errors: `usage`. */
export function sumOf(groups: readonly Share[], flag: string): number {
  const sum = groups.reduce((total, { share }) => total + share, 0);
  if (sum <= 1 + dust) return sum;
  throw usageError(`the shares of ${flag} must be at most 100 in all, got ${Number((sum * 100).toFixed(6))}`);
}

function withRest(named: readonly GroupShare[]): readonly GroupShare[] {
  const sum = sumOf(named, "--group");
  if (sum > 1 - dust) return named;
  return [...named, { group: "", share: 1 - sum, urgency: urgencyDefault, override: {} }];
}

export function groupFlag(text: string, before: readonly GroupShare[]): readonly GroupShare[] {
  return parsedFlag(() => {
    const [, group = "", percent, rest = ""] = groupForm.exec(text) ?? [];
    const share = Number(percent) / 100;
    if (!(share > 0 && share <= 1)) throw wrong("It", 'must read like "tenant-a=90" or "tenant-a=5,urgency=0"', text);
    if (!isPlacementName(group)) throw wrong("It", `must name a group in ${placementNameRule}`, group);
    if (before.some((other) => other.group === group)) throw wrong("It", "must name each group once", group);
    if (before.length === groupsMax) throw wrong("It", `must be given at most ${groupsMax} times`, text);
    return [...before, { group, share, ...readMembers(rest) }];
  });
}

function readMembers(rest: string): Pick<GroupShare, "urgency" | "override"> {
  const given = new Map(
    rest
      .split(",")
      .slice(1)
      .map((member) => member.split("=") as [string, string]),
  );
  const unknown = [...given.keys()].find((name) => !Object.hasOwn(members, name));
  if (unknown !== undefined) throw wrong("It", `knows ${Object.keys(members).join(", ")}`, unknown);
  const read = (name: keyof typeof members) => readSetting(`Its ${name}`, members[name], given.get(name));
  const override = { weight: read("weight"), concurrency: read("concurrency"), ratePerHour: read("rate") };
  return { urgency: read("urgency") ?? urgencyDefault, override };
}

export function groupsView({ groups }: PlannedGroups, { each, all }: GroupWaits): object {
  const viewOf = ({ arrivals, p50Ms, p99Ms, longestMs }: Waited) => ({
    arrivals,
    p50WaitSeconds: p50Ms / 1_000,
    p99WaitSeconds: p99Ms / 1_000,
    longestWaitSeconds: longestMs / 1_000,
  });
  return {
    each: each.map((waited, at) => ({ group: groups[at]?.group, ...viewOf(waited) })),
    all: viewOf(all),
  };
}

export function printGroups({ groups, concurrency }: PlannedGroups, { each, all }: GroupWaits): void {
  printLine(`\nIn that run, ${formatCount(concurrency)} at once on each replica, they wait by group:`);
  const rows = each.map((waited, at) => ({ name: groups[at]?.group || "(no group)", ...waited }));
  printTable<(typeof rows)[number]>(
    [...rows, { name: "(all)", ...all }],
    [
      { title: "GROUP", of: ({ name }) => name },
      { title: "ARRIVALS", align: "right", of: ({ arrivals }) => formatCount(arrivals) },
      { title: "P50 WAIT", align: "right", of: ({ p50Ms }) => formatDuration(p50Ms) },
      { title: "P99 WAIT", align: "right", of: ({ p99Ms }) => formatDuration(p99Ms) },
      { title: "LONGEST WAIT", align: "right", of: ({ longestMs }) => formatDuration(longestMs) },
    ],
  );
}
