import type { LineSettings } from "../core/line-settings.ts";
import type { FastifyInstance } from "fastify";
import { callbackQueue } from "../core/callback.ts";
import type { Clock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import type { ScheduleStatus } from "../core/schedule.ts";
import type { ScalingGoal } from "../core/scaling.ts";
import type { AuditReport, OrderReport } from "../engine/audit.ts";
import type { Engine, Work } from "../engine/engine.ts";
import type { QueueScaling } from "../engine/queue-scaling.ts";
import type { Logger } from "../telemetry/log.ts";
import type { KeyRing } from "./access/key-ring.ts";
import type { ActivityLog } from "./activity-log.ts";
import type { AdminListener } from "./admin-listener.ts";
import type { Meter } from "../telemetry/meter.ts";
import type { Admission } from "./admission.ts";
import type { AuditRenewal } from "./audit-renewal.ts";
import type { BodyRoom } from "./body-room.ts";
import type { Descriptors } from "./descriptors.ts";
import type { HeldAnswers } from "./held-answers.ts";
import type { LongReads } from "./long-reads.ts";
import type { Outgoing } from "./outgoing.ts";
import type { GatewayLimits } from "./limits.ts";
import type { Overview } from "./overview.ts";
import type { QueueViews } from "./queue-views.ts";
import type { Turns } from "./turns.ts";
import type { SchemaCheck } from "./schema-check.ts";

export type App = FastifyInstance;

/** The routes of one queue. */
export interface OfQueue {
  Params: { readonly queue: string };
}

/** The routes of one request. */
export interface OfRequest {
  Params: { readonly id: string };
}

export interface QueueCallback {
  /** For requests that name none. */
  readonly url: string | undefined;
  /** Why a URL may not be called, by what stands in it; its address is judged when it is called. */
  readonly refusalOf: (url: URL) => SluiceError | undefined;
}

/** A configured queue, ready to take requests. */
export interface IntakeQueue {
  readonly name: string;
  readonly ratePerHour: number | undefined;
  readonly timeoutMs: number;
  readonly checkSchema: SchemaCheck | undefined;
  /** Absent where it takes no callbacks. */
  readonly callback: QueueCallback | undefined;
  readonly lines: LineSettings;
  readonly goal: ScalingGoal;
  readonly scaling: QueueScaling;
}

/** What every route works with. */
export interface GatewayContext {
  readonly engine: Omit<Engine, keyof Work>;
  /** Undefined: whoever reaches the port is let in. */
  readonly keys: KeyRing | undefined;
  readonly activity: ActivityLog;
  readonly adminListener: AdminListener;
  readonly descriptors: Descriptors;
  readonly queues: ReadonlyMap<string, IntakeQueue>;
  readonly views: QueueViews;
  readonly overview: Overview;
  /** One runs at a time, and who asks meanwhile shares the next. What it finds is told to all who look at the overview. */
  readonly audit: () => Promise<AuditReport>;
  readonly auditOrder: () => Promise<OrderReport>;
  readonly auditRenewal: AuditRenewal;
  readonly admission: Admission;
  readonly held: HeldAnswers;
  readonly batches: Turns;
  /** Of single requests; batches have one of their own, so that neither is sent away for the other. */
  readonly bodyRoom: BodyRoom;
  readonly batchRoom: BodyRoom;
  readonly outgoing: Outgoing;
  readonly longReads: LongReads;
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meter: Meter;
  readonly version: string;
  readonly schedules: () => readonly ScheduleStatus[];
  /** Where the built dashboard lies. */
  readonly dashboardFolder: string | undefined;
}

export function configuredQueue({ queues }: GatewayContext, name: string): IntakeQueue {
  const queue = queues.get(name);
  if (queue === undefined) throw unknownQueue(name);
  return queue;
}

/** A queue that takes requests from outside: the callbacks' own takes none, or anybody could have anything signed. */
export function intakeQueueNamed(context: GatewayContext, name: string): IntakeQueue {
  if (name !== callbackQueue) return configuredQueue(context, name);
  throw new SluiceError("unknown-queue", `queue "${name}" takes no requests but Sluice's own`);
}

export function unknownQueue(name: string): SluiceError {
  return new SluiceError("unknown-queue", `there is no queue "${name}"`);
}
