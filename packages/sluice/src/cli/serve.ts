// Starts the parts of one process on an engine, and takes them down in the order that loses nothing.
import manifest from "../../package.json" with { type: "json" };
import type { IntakeSettings, QueueSettings, WorkedQueue } from "../config/config.ts";
import { SluiceError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { KeyRing } from "../gateway/access/key-ring.ts";
import { openGateway, type Gateway } from "../gateway/gateway.ts";
import { defaultGatewayLimits } from "../gateway/limits.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Worker } from "../worker/worker.ts";
import { workerOf } from "./worker-of.ts";

export interface Parts {
  readonly role: "up" | "gateway" | "worker";
  /** Belongs to the server from now on: closed at its end, and when a part does not start. */
  readonly engine: Engine;
  readonly queues: readonly QueueSettings[];
  /** Absent where no requests are taken in. */
  readonly intake?: IntakeSettings;
  /** Absent where none are run. */
  readonly work?: { readonly queues: readonly WorkedQueue[]; readonly graceMs: number };
  /** What runs them, if not workers in this process. */
  readonly openWork?: ((engine: Engine) => Promise<Worker>) | undefined;
  /** The folder of the store, where it is in one: for the log. */
  readonly data?: string;
  readonly log: Logger;
}

export interface Server {
  /** The line that tells people and programs that it is ready. */
  readonly ready: string;
  /** Ends intake, drains the workers within the grace, then lets go of the store. */
  stop(): Promise<void>;
}

export async function serve(parts: Parts): Promise<Server> {
  const { role, engine, intake, work, openWork, data, log } = parts;
  const queues = parts.queues.map(({ name }) => name);
  let gateway: Gateway | undefined;
  let keys: KeyRing | undefined;
  let workers: readonly Worker[] = [];
  const stop = async (graceMs: number): Promise<void> => {
    gateway?.drain();
    await Promise.all(workers.map((worker) => worker.drain({ graceMs })));
    await gateway?.close(); // after the workers: the answers that it holds open wait for them
    keys?.[Symbol.dispose]();
    await engine.close();
  };
  try {
    keys = intake && (await KeyRing.open({ file: intake.keys, clock: engine.clock, log }));
    gateway = intake && (await gatewayOf(parts, intake, keys));
    workers = openWork
      ? [await openWork(engine)]
      : (work?.queues ?? []).map((queue) => workerOf(queue, { engine, log }));
    const adminUrl = intake?.admin && (await gateway?.listenForAdmin(intake.admin))?.url;
    const url = intake && (await gateway?.listen(intake))?.url;
    log.info(
      { role, url, adminUrl, data, queues, ...(keys && { access: keys.isClosed ? "keys" : "open" }) },
      "started",
    );
    return {
      ready: url === undefined ? `Sluice works on ${queues.join(", ")}` : `Sluice listens on ${url}`,
      async stop() {
        await stop(work?.graceMs ?? 0);
        log.info({ role, queues }, "stopped");
      },
    };
  } catch (error) {
    await stop(0);
    throw isPortTaken(error) ? portTaken(error) : error;
  }
}

function isPortTaken(error: unknown): error is TakenPort {
  return error instanceof Error && "code" in error && error.code === "EADDRINUSE";
}

interface TakenPort extends Error {
  readonly port?: number;
  readonly address?: string;
}

function portTaken({ port, address }: TakenPort): SluiceError {
  return new SluiceError("bad-config", `port ${port} of ${address} is in use: give another`);
}

function gatewayOf(
  { engine, queues, log }: Parts,
  { bodyBytesMax, tls }: IntakeSettings,
  keys: KeyRing | undefined,
): Promise<Gateway> {
  const limits = { ...defaultGatewayLimits, bodyBytesMax };
  return openGateway({ engine, keys, tls, queues, limits, clock: engine.clock, log, version: manifest.version });
}
