// Starts the parts of one process on an engine, and takes them down in the order that loses nothing.
import { hostname } from "node:os";
import { fileURLToPath } from "node:url";
import manifest from "../../package.json" with { type: "json" };
import type { IntakeSettings, QueueSettings, WorkedQueue } from "../config/settings.ts";
import { CallbackRelay } from "../callbacks/relay.ts";
import type { Engine } from "../engine/engine.ts";
import type { Leadership } from "../engine/leadership.ts";
import type { KeyRing } from "../gateway/access/key-ring.ts";
import { measured } from "../engine/measured.ts";
import { openGateway, type Gateway } from "../gateway/gateway.ts";
import { defaultGatewayLimits } from "../gateway/limits.ts";
import { openExport, type Export } from "../telemetry/export.ts";
import { openActivityLines, type Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import type { MetricsListener } from "../telemetry/metrics-listener.ts";
import type { PreparedSchedule, Schedules } from "../schedules/schedules.ts";
import type { Worker } from "../worker/worker.ts";
import { openKeys } from "./key-access.ts";
import { openMetricsPage, type MetricsPlace } from "./metrics-page.ts";
import { orPortTaken } from "./port-taken.ts";
import { tracingBy, workerOf, type Tracing } from "./worker-of.ts";

export interface Parts {
  readonly role: "up" | "gateway" | "worker";
  /** Belongs to the server from now on: closed at its end, and when a part does not start. */
  readonly engine: Engine;
  readonly queues: readonly QueueSettings[];
  /** Absent where no requests are taken in. */
  readonly intake?: IntakeSettings;
  /** Whether a store that was served with API keys may be served without. */
  readonly isWithoutKeys?: boolean;
  /** Absent where none are run. */
  readonly work?: { readonly queues: readonly WorkedQueue[]; readonly graceMs: number };
  /** Absent where this process submits none. */
  readonly schedules?: ScheduleWork | undefined;
  /** What runs them, if not workers in this process. */
  readonly openWork?: ((engine: Engine) => Promise<Worker>) | undefined;
  /** Makes the callbacks of outcomes, and posts them; absent where this process does not. */
  readonly callbacks?: CallbackWork | undefined;
  /** A page for what is counted here, where there is no gateway to have it. */
  readonly metrics?: MetricsPlace | undefined;
  /** The folder of the store, where it is in one: for the log. */
  readonly data?: string;
  readonly log: Logger;
  /** The engine tells it of its commits already. */
  readonly meter: Meter;
}

export interface CallbackWork {
  readonly queue: WorkedQueue;
  /** Given where other processes make callbacks too. Closed at the end. */
  readonly leadership?: Leadership | undefined;
}

export interface ScheduleWork {
  readonly schedules: readonly PreparedSchedule[];
  readonly retentionMs: number;
}

export interface Server {
  /** The line that tells people and programs that it is ready. */
  readonly ready: string;
  /** Where it takes requests, if it does. */
  readonly url?: string | undefined;
  /** The first step of a stop: proxies are told, everything is still served; at its end, or once `hurry` aborts, it resolves. */
  linger(hurry: AbortSignal): Promise<void>;
  /** The second: ends intake, drains the workers within the grace, then lets go of the store. */
  stop(): Promise<void>;
}

export async function serve(parts: Parts): Promise<Server> {
  const { role, intake, isWithoutKeys = false, work, openWork, callbacks, metrics, data, log, meter } = parts;
  let engine = measured(parts.engine, meter);
  const queues = parts.queues.map(({ name }) => name);
  const instance = `${role} ${process.pid} on ${hostname()}`;
  let gateway: Gateway | undefined;
  let workers: Worker[] = [];
  let keys: KeyRing | undefined;
  let relay: CallbackRelay | undefined;
  let schedules: Schedules | undefined;
  let telemetry: Export | undefined;
  let page: MetricsListener | undefined;
  const stop = async (graceMs: number): Promise<void> => {
    await gateway?.drain();
    await schedules?.close();
    await relay?.close();
    await Promise.all(workers.map((worker) => worker.drain({ graceMs })));
    await gateway?.close(); // after the workers: the answers that it holds open wait for them
    await callbacks?.leadership?.[Symbol.asyncDispose]();
    keys?.[Symbol.dispose]();
    await engine.close();
    await page?.[Symbol.asyncDispose]();
    await telemetry?.[Symbol.asyncDispose](); // last, with the last counts
  };
  try {
    telemetry = await openExport({ meter, instance, version: manifest.version, env: process.env, log });
    const tracing = await tracingBy(telemetry.tracer);
    if (tracing !== undefined) engine = await tracedBy(tracing, engine);
    keys = intake && (await openKeys({ engine, settings: intake, isWithoutKeys, log }));
    schedules = parts.schedules && (await schedulesOf(parts.schedules, { engine, log }));
    gateway = intake && (await gatewayOf({ ...parts, engine }, intake, { keys, schedules }));
    workers = openWork
      ? [await openWork(engine)]
      : (work?.queues ?? []).map((queue) => workerOf(queue, { engine, log, meter, tracing }));
    if (callbacks !== undefined) {
      const { queue, leadership } = callbacks;
      workers.push(workerOf(queue, { engine, log, meter, tracing }));
      relay = new CallbackRelay({ engine, leads: leadership && (() => leadership.leads()), log });
    }
    page = metrics && (await openMetricsPage(metrics, { meter, log, clock: engine.clock }));
    const adminUrl = intake?.admin && (await gateway?.listenForAdmin(intake.admin))?.url;
    const frontUrl = intake?.front && (await gateway?.listenForFront(intake.front))?.url;
    const url = intake && (await gateway?.listen(intake))?.url;
    schedules?.begin();
    log.info(
      {
        role,
        url,
        adminUrl,
        frontUrl,
        metricsUrl: page?.url,
        data,
        queues,
        ...(keys && { access: keys.isClosed ? "keys" : "open" }),
      },
      "started",
    );
    return {
      url,
      ready:
        url === undefined
          ? `Sluice works on ${queues.join(", ")}`
          : `Sluice listens on ${url}${frontUrl === undefined ? "" : ` with its front on ${frontUrl}`}`,
      async linger(hurry) {
        if (gateway !== undefined && intake !== undefined) await gateway.linger(intake.lingerMs, hurry);
      },
      async stop() {
        await stop(work?.graceMs ?? 0);
        log.info({ role, queues }, "stopped");
      },
    };
  } catch (error) {
    await stop(0);
    throw orPortTaken(error);
  }
}

async function tracedBy({ tracer }: Tracing, engine: Engine): Promise<Engine> {
  const { traced } = await import("../engine/traced.ts");
  return traced(engine, tracer);
}

async function schedulesOf(
  { schedules, retentionMs }: ScheduleWork,
  { engine, log }: Pick<Parts, "engine" | "log">,
): Promise<Schedules | undefined> {
  if (schedules.length === 0) return undefined;
  const { Schedules } = await import("../schedules/schedules.ts");
  return new Schedules({ engine, schedules, retentionMs, log });
}

interface OfGateway {
  readonly keys: KeyRing | undefined;
  readonly schedules: Schedules | undefined;
}

function gatewayOf(
  { engine, queues, log, meter }: Parts,
  { bodyBytesMax, hosts, cors, tls, activityLog }: IntakeSettings,
  { keys, schedules: scheduled }: OfGateway,
): Promise<Gateway> {
  const limits = { ...defaultGatewayLimits, bodyBytesMax };
  const { version } = manifest;
  const dashboardFolder = fileURLToPath(new URL(".", import.meta.resolve("#dashboard/index.html")));
  const { clock } = engine;
  const logs = { log, activityLines: openActivityLines(log, activityLog) };
  const schedules = scheduled && (() => scheduled.status());
  const options = { engine, keys, hosts, cors, tls, queues, limits, clock, ...logs, meter, version, dashboardFolder };
  return openGateway({ ...options, schedules });
}
