// What a queue says of the lines that its requests stand in, and what was said of one group at run time.
import type { GroupSettings } from "./fair-choice.ts";
import type { RequestId } from "./request-id.ts";

export interface LineSettings {
  /** A request that waits is one step more urgent after each of these. */
  readonly riseMs: number;
  /** What becomes of an order key whose request is dead: its next one goes, or it is held until somebody releases it. */
  readonly afterDead: "next" | "hold";
  /** Of groups; 1 for those that are not named. */
  readonly weights: Readonly<Record<string, number>>;
  /** For each group. */
  readonly concurrency: number | undefined;
  readonly ratePerHour: number | undefined;
  readonly backlogMax: number | undefined;
}

export const lineSettingsDefault: LineSettings = {
  riseMs: 60_000,
  afterDead: "next",
  weights: {},
  concurrency: undefined,
  ratePerHour: undefined,
  backlogMax: undefined,
};

/** Of one group, instead of what its queue says. */
export interface GroupOverride {
  readonly weight?: number | undefined;
  readonly concurrency?: number | undefined;
  readonly ratePerHour?: number | undefined;
  readonly backlogMax?: number | undefined;
  readonly isPaused?: boolean | undefined;
}

/** A group of which something waits or runs, or was said at run time. */
export interface GroupStatus extends GroupOverride {
  readonly group: string;
  /** Its requests without an outcome. */
  readonly backlog: number;
  readonly inFlight: number;
}

/** What metrics say of a queue that has lines. */
export interface LineCounts {
  readonly queue: string;
  /** Those that have a name and requests without an outcome, with the largest backlog first. */
  readonly groups: readonly Pick<GroupStatus, "group" | "backlog" | "inFlight">[];
  readonly heldOrders: number;
}

export interface LineCountsBounds {
  /** Of each queue. */
  readonly groupsMax: number;
  /** Order keys are counted up to this. */
  readonly heldMax: number;
}

/** An order key that a dead request keeps from going on. */
export interface HeldOrder {
  readonly order: string;
  readonly by: RequestId;
  readonly since: number;
  /** How many wait behind it; counted up to a thousand. */
  readonly waiting: number;
}

/** Requests without a group are the group "", which has no limits but those that it was given itself. */
export function groupSettingsOf(settings: LineSettings, group: string, override: GroupOverride = {}): GroupSettings {
  const { weights, concurrency, ratePerHour, backlogMax } = settings;
  const limits = group === "" ? {} : { concurrency, ratePerHour, backlogMax };
  const weight = Object.hasOwn(weights, group) ? weights[group] : undefined;
  return {
    weight: override.weight ?? weight ?? 1,
    concurrency: override.concurrency ?? limits.concurrency,
    ratePerHour: override.ratePerHour ?? limits.ratePerHour,
    backlogMax: override.backlogMax ?? limits.backlogMax,
    isPaused: override.isPaused ?? false,
  };
}
