// `sluice up`: gateway, worker and the embedded store in one process.
import { resolve } from "node:path";
import { InvalidArgumentError, Option, type Command } from "commander";
import { fileSettings } from "../config/declared-settings.ts";
import { servedQueues, type WorkSettings } from "../config/settings.ts";
import { readUp } from "../config/read-settings.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import type { Meter } from "../telemetry/meter.ts";
import type { Worker } from "../worker/worker.ts";
import { overrideOption } from "./flag-settings.ts";
import { prepareSchedules } from "./prepare-schedules.ts";
import type { ProcessRange } from "./processes.ts";
import {
  addConfigFlag,
  addFrontFlags,
  addIntakeFlags,
  addLogFlags,
  addRetentionFlag,
  addWorkFlags,
  callbacksHelp,
  openRoleLog,
  sourcesOf,
  type RoleOptions,
} from "./role-flags.ts";
import { runRole } from "./run-role.ts";
import type { Server } from "./serve.ts";
import { isWorkerProcess } from "./worker-process-mark.ts";

const afterHelp = `
Without a file, one queue and the URL it posts to:
  sluice up --port 8080 --data ./data --queue orders --target http://127.0.0.1:9000/process --rate 100000/h

In front of a service that you cannot change, with the same calls and one other address (POST, PUT, PATCH and DELETE are stored;
GET, HEAD and OPTIONS go straight to it):
  sluice up --front 8081 --target http://127.0.0.1:9000 --rate 100000/h

With a file, queues and handlers in TypeScript (sluice init writes one):
  sluice up --config sluice.config.ts

Flags go before the environment, the environment before the file, the file before the defaults.
A request is on disk before it is answered with 202. SIGTERM and SIGINT stop gracefully: intake ends, what runs
may finish within the grace, the rest is handed back; a second signal stops at once, and loses nothing either.
On SIGTERM it first serves on for the linger, while /readyz says that it stops; SIGINT skips that, and a second signal ends it.

Once there were API keys, it does not start without them: a folder that was restored without its keys.json stays closed.
To open it on purpose, on a loopback address, start once with --without-keys.

With --processes the requests run in processes of their own, so that handlers that compute use every core and one that
crashes leaves the gateway alone. A queue's rate and concurrency hold over all of them. With a range there are as many
as the forecast wait asks for: "scaling" of the queue in the file, as for sluice autoscale.
  sluice up --config sluice.config.ts --processes 2..8
`;

const uncaughtAdvice =
  "If a handler threw it from a timer, a promise or an event listener, catch it there. " +
  "With --processes, handlers run in separate processes, and such an error ends only one of them.";

interface UpOptions extends RoleOptions {
  readonly processes?: ProcessRange;
}

export function registerUp(program: Command): void {
  const command = program
    .command("up")
    .description("start gateway and worker in one process, with the store in a folder");
  addConfigFlag(command);
  addIntakeFlags(command);
  addFrontFlags(command);
  command.addOption(new Option("--data <folder>", "the data folder (default ./data)").env("SLUICE_DATA"));
  addWorkFlags(command);
  command.addOption(
    new Option("--processes <n>", "run the requests in so many processes, or <min>..<max> (default: in this one)")
      .env("SLUICE_PROCESSES")
      .argParser(rangeFlag),
  );
  addRetentionFlag(command);
  command.addOption(
    overrideOption(
      "--disk-free-min <size>",
      "refuse intake below this free space; 256MiB or a tenth of the disk unless given",
      fileSettings.diskFreeMin,
    ).env("SLUICE_DISK_FREE_MIN"),
  );
  command.option("--without-keys", "start without API keys, though the store was served with some");
  addLogFlags(command).addHelpText("after", afterHelp).addHelpText("after", callbacksHelp).action(up);
}

async function up({ processes: range, ...options }: UpOptions): Promise<void> {
  const isWorker = isWorkerProcess(); // before the configuration can start anything
  const log = await openRoleLog(options);
  const settings = readUp(await sourcesOf(options));
  if (isWorker) {
    const { runWorkerProcess } = await import("./worker-process.ts");
    return runWorkerProcess(settings, log.child({ name: `process ${process.pid}` }));
  }
  const start = async (): Promise<Server> => {
    // The server's parts are loaded here, so that the other commands start without them.
    const [{ serve }, { openEmbedded }, { noteListener }, { looseModesIn }, { commitMeter }, { Meter }] =
      await Promise.all([
        import("./serve.ts"),
        import("../engines/embedded/open.ts"),
        import("../engines/embedded/owner.ts"),
        import("../engines/embedded/store-file.ts"),
        import("../engine/measured.ts"),
        import("../telemetry/meter.ts"),
      ]);
    const { data, retentionMs, diskFreeMin, isWithoutKeys } = settings;
    const queues = servedQueues(settings);
    const schedules = { schedules: await prepareSchedules(settings, queues), retentionMs };
    const callbacks = settings.callbacks && { queue: settings.callbacks };
    const owner = `process ${process.pid}`;
    const meter = new Meter();
    const onCommit = commitMeter(meter);
    const engine = await openEmbedded({ folder: data, owner, queues, retentionMs, diskFreeMin, onCommit });
    const loose = process.platform === "win32" ? [] : looseModesIn(data);
    if (loose.length > 0)
      log.warn({ loose }, `others on this machine have access to the data folder: chmod -R go= ${data}`);
    const openWork = range && ((to: Engine) => openWorkIn(range, { engine: to, work: settings, log, meter }));
    const parts = { engine, queues, intake: settings, work: settings, openWork, schedules, callbacks };
    const server = await serve({ role: "up", ...parts, isWithoutKeys, data, log, meter });
    const { keys } = settings;
    if (server.url !== undefined && keys.kind === "file")
      noteListener(data, { url: server.url, keys: resolve(keys.file) });
    return server;
  };
  await runRole(start, log, range === undefined ? uncaughtAdvice : undefined);
}

interface Work {
  readonly engine: Engine;
  readonly work: WorkSettings;
  readonly log: Logger;
  readonly meter: Meter;
}

async function openWorkIn(range: ProcessRange, { engine, work, log, meter }: Work): Promise<Worker> {
  const { openProcesses } = await import("./processes.ts");
  return openProcesses(engine, { range, work, log, meter });
}

const processesMax = 256;

/** `4`, or `1..8`. */
function rangeFlag(text: string): ProcessRange {
  const [, least = "", most = least] = /^([1-9]\d{0,2})(?:\.\.([1-9]\d{0,2}))?$/.exec(text) ?? [];
  const range = { min: Number(least), max: Number(most) };
  if (range.min >= 1 && range.min <= range.max && range.max <= processesMax) return range;
  throw new InvalidArgumentError(`Expected from 1 to ${processesMax} processes, as 4 or 1..8, got "${text}".`);
}
