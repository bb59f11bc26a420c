// Groups and held order keys as gauges. Senders choose the names of groups, so only the largest of a queue are shown.
import type { Clock } from "../core/clock.ts";
import type { LineOperations } from "../engine/engine.ts";
import { observe, type Observation, type Observer } from "../telemetry/meter.ts";
import { sharedReading } from "./shared-reading.ts";

const sharedMs = 15_000;
const bounds = { groupsMax: 10, heldMax: 1_000 };

export interface LineGaugesOptions {
  readonly lines: Pick<LineOperations, "counts">;
  readonly clock: Clock;
}

export function lineGauges({ lines, clock }: LineGaugesOptions): Observer {
  return sharedReading({ clock, forMs: sharedMs, read });

  async function read(): Promise<readonly Observation[]> {
    const counts = await lines.counts(bounds);
    return counts.flatMap(({ queue, groups, heldOrders }) => [
      observe("sluice.held.order.keys", { queue }, heldOrders),
      ...groups.flatMap(({ group, backlog, inFlight }) => [
        observe("sluice.group.backlog", { queue, group }, backlog),
        observe("sluice.group.in.flight", { queue, group }, inFlight),
      ]),
    ]);
  }
}
