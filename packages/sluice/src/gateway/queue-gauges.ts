// The queues as gauges. Reading them costs the engine a query: looks within a second share one.
import type { Clock } from "../core/clock.ts";
import type { Engine, QueueStatus } from "../engine/engine.ts";
import { observe, type Observation, type Observer } from "../telemetry/meter.ts";
import type { IntakeQueue } from "./context.ts";
import type { QueueViews } from "./queue-views.ts";
import { decideAndAsk } from "./scaling.ts";
import type { QueueView } from "./schemas.ts";
import { sharedReading } from "./shared-reading.ts";

const sharedMs = 1_000;

type ScaledQueue = Pick<IntakeQueue, "goal" | "scaling">;

export interface QueueGaugesOptions {
  readonly engine: Pick<Engine, "askReplicas">;
  readonly views: Pick<QueueViews, "readStatuses" | "viewOf">;
  readonly queues: ReadonlyMap<string, ScaledQueue>;
  readonly clock: Clock;
}

export function queueGauges({ engine, views, queues, clock }: QueueGaugesOptions): Observer {
  return sharedReading({ clock, forMs: sharedMs, read });

  async function read(): Promise<readonly Observation[]> {
    const now = clock.now();
    const gauges: Observation[] = [];
    for (const status of await views.readStatuses())
      gauges.push(...gaugesOf(views.viewOf(status), now), ...(await scalingGauges(status, queues.get(status.queue))));
    return gauges;
  }

  /** The same decision as at /v1/queues/{queue}/scaling. */
  async function scalingGauges(status: QueueStatus, scaled: ScaledQueue | undefined): Promise<readonly Observation[]> {
    if (scaled === undefined) return [];
    const { queue } = status;
    return [
      observe("sluice.oldest.age.goal", { queue }, scaled.goal.maxWaitMs / 1_000),
      observe("sluice.desired.replicas", { queue }, (await decideAndAsk(engine, scaled, status)).replicas),
    ];
  }
}

function gaugesOf(view: QueueView, now: number): Observation[] {
  const { name: queue, counts, forecast, oldestWaitingAt } = view;
  const inState = (name: "sluice.backlog" | "sluice.outcomes", state: keyof typeof counts) =>
    observe(name, { queue, state }, counts[state]);
  return [
    observe("sluice.accepted", { queue }, view.accepted),
    inState("sluice.backlog", "waiting"),
    inState("sluice.backlog", "scheduled"),
    inState("sluice.backlog", "running"),
    ...(["claimed", "running", "committing"] as const).map((phase) =>
      observe("sluice.deliveries", { queue, phase }, view.deliveries[phase]),
    ),
    inState("sluice.outcomes", "done"),
    inState("sluice.outcomes", "dead"),
    inState("sluice.outcomes", "cancelled"),
    observe("sluice.backlog.size", { queue }, view.backlogBytes),
    observe("sluice.oldest.age", { queue }, oldestWaitingAt === null ? 0 : secondsBetween(oldestWaitingAt, now)),
    ...forecastGauges(queue, forecast, now),
    observe("sluice.forecast.growth", { queue }, forecast.kind === "grows" ? forecast.perMinute : 0),
    observe("sluice.paused", { queue }, Number(view.paused)),
    observe("sluice.workers", { queue }, view.workers),
    observe("sluice.breaker.open", { queue }, view.breakersOpen),
  ];
}

function forecastGauges(queue: string, forecast: QueueView["forecast"], now: number): readonly Observation[] {
  switch (forecast.kind) {
    case "idle":
      return [observe("sluice.forecast.drain", { queue }, 0)];
    case "drains":
      return [observe("sluice.forecast.drain", { queue }, Math.max(0, (Date.parse(forecast.at) - now) / 1_000))];
    case "grows":
      return [];
    case "stalled": {
      const { reason, since } = forecast;
      return [observe("sluice.forecast.stalled", { queue, reason }, secondsBetween(since, now))];
    }
    default:
      return forecast satisfies never;
  }
}

function secondsBetween(time: string, now: number): number {
  return Math.max(0, (now - Date.parse(time)) / 1_000);
}
