// What autoscalers have told in their logs: who leads, and what was decided.

export type Told =
  | { readonly kind: "leads"; readonly at: number; readonly by: string; readonly leads: boolean }
  | {
      readonly kind: "scales";
      readonly at: number;
      readonly by: string;
      readonly from: number;
      readonly to: number;
      /** Undefined while it was not measured. */
      readonly perReplicaPerHour: number | undefined;
    };

export type Decision = Extract<Told, { kind: "scales" }>;

interface Line {
  readonly time: string;
  readonly name?: string;
  readonly msg?: string;
  readonly leads?: boolean;
  readonly from?: number;
  readonly to?: number;
  readonly perReplicaPerHour?: number;
}

/** In the order of time. */
export function toldIn(logs: readonly string[]): readonly Told[] {
  const lines = logs.flatMap((log) => log.split("\n")).filter((line) => line.startsWith("{"));
  const told = lines.flatMap((line) => toldBy(JSON.parse(line) as Line));
  return told.toSorted((a, b) => a.at - b.at); // those of one process stay in their order
}

function toldBy({ time, name: by = "", msg = "", leads, from, to, perReplicaPerHour }: Line): readonly Told[] {
  const at = Date.parse(time);
  if (leads !== undefined) return [{ kind: "leads", at, by, leads }];
  if (!/^replicas are (?:added|let go)$/.test(msg) || from === undefined || to === undefined) return [];
  return [{ kind: "scales", at, by, from, to, perReplicaPerHour }];
}

export function decisionsOf(told: readonly Told[]): readonly Decision[] {
  return told.filter((one) => one.kind === "scales");
}

/** Decisions of who did not lead: no other had told that it leads since the decider told so. */
export function decidedWithoutLead(told: readonly Told[]): readonly Decision[] {
  let leader: string | undefined;
  return told.flatMap((one) => {
    switch (one.kind) {
      case "leads":
        if (one.leads) leader = one.by;
        else if (leader === one.by) leader = undefined;
        return [];
      case "scales":
        return one.by === leader ? [] : [one];
      default:
        return one satisfies never;
    }
  });
}
