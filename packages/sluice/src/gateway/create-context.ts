// What the routes work with, made of the options of a gateway.
import type { Clock } from "../core/clock.ts";
import type { ScheduleStatus } from "../core/schedule.ts";
import type { ScalingGoal } from "../core/scaling.ts";
import type { AuditReport } from "../engine/audit.ts";
import type { Engine, Work } from "../engine/engine.ts";
import { QueueScaling } from "../engine/queue-scaling.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import type { KeyRing } from "./access/key-ring.ts";
import { ActivityLog } from "./activity-log.ts";
import { AdminListener } from "./admin-listener.ts";
import { Admission } from "./admission.ts";
import { AuditRenewal } from "./audit-renewal.ts";
import { BodyRoom } from "./body-room.ts";
import type { GatewayContext, IntakeQueue, QueueCallback } from "./context.ts";
import { Descriptors } from "./descriptors.ts";
import { HeldAnswers } from "./held-answers.ts";
import type { GatewayLimits } from "./limits.ts";
import { Overview } from "./overview.ts";
import { LongReads } from "./long-reads.ts";
import { Outgoing } from "./outgoing.ts";
import { QueueViews } from "./queue-views.ts";
import { compileSchemaCheck, slowPlacesOf } from "./schema-check.ts";
import { SharedRun } from "./shared-run.ts";
import type { TlsFiles } from "./tls.ts";
import { lineSettingsDefault, type LineSettings } from "../core/line-settings.ts";
import { Turns } from "./turns.ts";

/** A queue that takes requests. */
export interface GatewayQueue {
  readonly name: string;
  readonly ratePerHour: number | undefined;
  /** How long an attempt may take. */
  readonly timeoutMs: number;
  /** The JSON Schema that bodies must fit. */
  readonly schema: object | undefined;
  /** Given where requests may ask for a callback. */
  readonly callback?: QueueCallback | undefined;
  /** Of its order keys, groups and urgencies; the defaults unless given. */
  readonly lines?: LineSettings | undefined;
  /** How many replicas of its worker there should be. */
  readonly scaling: Omit<ScalingGoal, "ratePerHour">;
}

export interface GatewayOptions {
  readonly engine: Omit<Engine, keyof Work>;
  /** Without it whoever reaches the port is let in. Belongs to whoever opened it. */
  readonly keys?: KeyRing | undefined;
  /** The names of this server beside the loopback's, as Host has them; with keys any name does unless some are given. */
  readonly hosts?: readonly string[] | undefined;
  /** Whose pages may call the API from a browser; none unless given. */
  readonly cors?: readonly string[] | undefined;
  /** Speaks TLS, with this certificate. */
  readonly tls?: TlsFiles | undefined;
  readonly queues: readonly GatewayQueue[];
  readonly limits: GatewayLimits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where the activity log goes; with `log` unless given. */
  readonly activityLines?: Logger | undefined;
  /** What is counted here and read for /metrics. */
  readonly meter: Meter;
  readonly version: string;
  /** The schedules that this process runs; none unless given. */
  readonly schedules?: (() => readonly ScheduleStatus[]) | undefined;
  /** Where the built dashboard lies; without it `/` says how to build it. */
  readonly dashboardFolder?: string | undefined;
}

export function createContext(options: GatewayOptions): GatewayContext {
  const { engine, keys, queues, limits, clock, log, meter, version, schedules, dashboardFolder } = options;
  const timeoutMsOf = new Map(queues.map(({ name, timeoutMs }) => [name, timeoutMs]));
  const views = new QueueViews({ engine, clock, log, queues: new Map(queues.map((queue) => [queue.name, queue])) });
  const activity = new ActivityLog({ engine, clock: engine.clock, lines: options.activityLines ?? log, log });
  if (keys !== undefined) followKeys(keys, activity);
  const descriptors = new Descriptors(log);
  const admission = new Admission(engine, keys === undefined ? [descriptors] : [descriptors, keys]);
  const audits = new SharedRun({
    what: "an audit",
    waitingMax: limits.auditWaitingMax,
    async run(): Promise<AuditReport> {
      const report = await engine.audit({ timeoutMsOf });
      overview.noteAudit(report);
      return report;
    },
  });
  const audit = (): Promise<AuditReport> => audits.ask();
  const orderAudits = new SharedRun({
    what: "an audit of order keys",
    waitingMax: limits.auditWaitingMax,
    run: () => engine.auditOrder(),
  });
  const auditRenewal = new AuditRenewal({ audit, clock, log });
  const overview = new Overview({ views, admission, onLook: () => auditRenewal.looked(), clock, version });
  return {
    engine,
    keys,
    activity,
    adminListener: new AdminListener(),
    descriptors,
    queues: new Map(queues.map((queue) => [queue.name, intakeQueue(queue, clock, log)])),
    views,
    overview,
    audit,
    auditOrder: () => orderAudits.ask(),
    auditRenewal,
    admission,
    held: new HeldAnswers(keys, limits.heldMax),
    batches: new Turns(),
    bodyRoom: new BodyRoom(Math.max(limits.arrivingBytesMax, limits.bodyBytesMax)),
    batchRoom: new BodyRoom(Math.max(limits.batchesBytesMax, limits.batchBytesMax)),
    outgoing: new Outgoing(limits),
    longReads: new LongReads(limits),
    limits,
    clock,
    log,
    meter,
    version,
    schedules: schedules ?? (() => []),
    dashboardFolder,
  };
}

function intakeQueue(queue: GatewayQueue, clock: Clock, log: Logger): IntakeQueue {
  const { name, ratePerHour, timeoutMs, schema, callback, lines = lineSettingsDefault, scaling } = queue;
  const slow = schema === undefined ? [] : slowPlacesOf(schema);
  if (slow.length > 0) log.warn({ queue: name, slow }, "the queue's schema lets a large body take long to check");
  const goal = { ...scaling, ratePerHour };
  return {
    name,
    ratePerHour,
    timeoutMs,
    checkSchema: schema === undefined ? undefined : compileSchemaCheck(name, schema),
    callback,
    lines,
    goal,
    scaling: new QueueScaling({ goal, clock }),
  };
}

/** Those of the start, and after each change of them; the ring lives as long as the gateway. */
function followKeys(keys: KeyRing, activity: ActivityLog): void {
  const note = (): void => void activity.noteKeys(keys.keys);
  note();
  keys.watch(note);
}
