// `sluice autoscale`: as many workers as the forecast wait asks for.
import { hostname } from "node:os";
import { Option, type Command } from "commander";
import { scalingSettings } from "../config/declared-settings.ts";
import type { AutoscalerSettings } from "../config/settings.ts";
import { readAutoscaler, readWorker } from "../config/read-settings.ts";
import manifest from "../../package.json" with { type: "json" };
import { systemClock } from "../core/clock.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import { memberSettings, overrideOption, settingOption } from "./flag-settings.ts";
import { openPlatform, scaledOf, scopeOf, type PlatformOptions, type Scaled } from "./open-platform.ts";
import { openMetricsPage } from "./metrics-page.ts";
import { whenReachable } from "./reach.ts";
import {
  addConfigFlag,
  addLogFlags,
  addMetricsFlag,
  addRetentionFlag,
  addServersFlags,
  addWaitForServersFlag,
  addWorkFlags,
  openRoleLog,
  serversHelp,
  sourcesOf,
  type MemberOptions,
  type MetricsOptions,
} from "./role-flags.ts";
import { runRole } from "./run-role.ts";
import type { Server } from "./serve.ts";

const afterHelp = `${serversHelp}
How many workers there should be follows from the wait that is forecast, not from the length of the queue:
  - enough to keep up with the arrivals, and to finish the backlog before its oldest has waited for --max-wait;
  - never more than the queue's rate can feed; always from --min to --max, which go before all else;
  - more at once; fewer only after they were enough for all of --hold;
  - as many as were asked for last, while nothing is measured or the target is down: that number is in the store, and
    outlives a restart.
What one worker does in an hour is measured while something waits and its target is up. Each change is logged with its reason; with
--log-level debug each look is. The goal of each queue may stand in the file instead:
  queues: { orders: { scaling: { min: 1, max: 8, maxWait: "5m" } } }

The platforms:
  process     sluice worker on this host, with the flags given here. They go with this process, gracefully even if it
              is killed: what they held is handed back or recovered, and no attempt is counted.
  swarm       --service NAME, on a manager: through DOCKER_HOST, or the socket of this host. The service's
              stop_grace_period must be longer than --grace.
  kubernetes  --deployment NAME or --statefulset NAME: by KUBECONFIG, or the account of this pod, which needs get and
              update on the scale of it alone.

Where there are API keys (--keys), the page of --metrics needs one of the scope read; without any it is on a loopback address only.

Any number may run: one leads, the others stand by and take over within half a minute.

Examples:
  sluice autoscale --platform process --queue orders --target http://127.0.0.1:9000/process --max 4
  sluice autoscale --platform swarm --service shop_worker --queue orders --min 1 --max 8 --max-wait 5m
  sluice autoscale --platform kubernetes --deployment worker --config sluice.config.ts --dry-run
`;

interface AutoscaleOptions extends MemberOptions, PlatformOptions, MetricsOptions {
  /** In milliseconds. */
  readonly every: number;
  readonly dryRun?: true;
}

export function registerAutoscale(program: Command): void {
  const command = program.command("autoscale").description("keep as many workers of a cluster as the backlog needs");
  command
    .addOption(
      new Option("--platform <name>", "what starts and stops the workers")
        .env("SLUICE_PLATFORM")
        .choices(["process", "swarm", "kubernetes"])
        .makeOptionMandatory(),
    )
    .addOption(overrideOption("--min <n>", "at least so many workers", scalingSettings.min))
    .addOption(overrideOption("--max <n>", "at most so many", scalingSettings.max))
    .addOption(
      overrideOption("--max-wait <duration>", "no request is to wait longer for its turn", scalingSettings.maxWait),
    )
    .addOption(
      overrideOption(
        "--hold <duration>",
        "let workers go only after fewer were enough for this long",
        scalingSettings.hold,
      ),
    )
    .addOption(settingOption("--every <duration>", "how often to look", memberSettings.every))
    .option("--dry-run", "decide and tell, but change nothing; does not lead")
    .option("--service <name>", "swarm: the service to scale")
    .option("--deployment <name>", "kubernetes: the Deployment to scale")
    .option("--statefulset <name>", "kubernetes: the StatefulSet to scale")
    .option("--namespace <name>", "kubernetes: its namespace (default that of the context)");
  addConfigFlag(command);
  addWorkFlags(command);
  addServersFlags(command);
  addWaitForServersFlag(command);
  addRetentionFlag(command);
  addMetricsFlag(command);
  addLogFlags(command).addHelpText("after", afterHelp).action(autoscale);
}

async function autoscale(options: AutoscaleOptions, command: Command): Promise<void> {
  const scaled = scaledOf(options);
  const log = await openRoleLog(options);
  const sources = await sourcesOf(options);
  const settings = readAutoscaler(sources);
  if (scaled.kind === "process" && !options.dryRun) readWorker(sources); // told now, and not by every copy
  const name = `autoscaler ${process.pid} on ${hostname()}`;
  const roleLog = log.child({ name });
  const start = () =>
    startAutoscaler({ settings, scaled, options, workerArgs: workerArgs(command), name, log: roleLog });
  await runRole(() => whenReachable(start, { waitMs: options.waitForServers, log: roleLog }), roleLog);
}

interface Start {
  readonly settings: AutoscalerSettings;
  readonly scaled: Scaled;
  readonly options: AutoscaleOptions;
  readonly workerArgs: readonly string[];
  readonly name: string;
  readonly log: Logger;
}

async function startAutoscaler({ settings, scaled, options, workerArgs: args, name, log }: Start): Promise<Server> {
  const [{ openAutoscaler }, { openCluster }, { openLeadership }, { openExport }, { Meter }] = await Promise.all([
    import("../autoscaler/autoscaler.ts"),
    import("../engines/cluster/open.ts"),
    import("../engines/cluster/members/leadership.ts"),
    import("../telemetry/export.ts"),
    import("../telemetry/meter.ts"),
  ]);
  const { servers, queues, retentionMs, graceMs } = settings;
  const names = queues.map((queue) => queue.name);
  const isDryRun = options.dryRun === true;
  await using opened = new AsyncDisposableStack();
  const meter = new Meter();
  const telemetry = { meter, instance: name, version: manifest.version, env: process.env, log };
  opened.use(await openExport(telemetry));
  const engine: Engine = opened.use(await openCluster({ servers, queues, name, log, retentionMs }));
  const place = options.metrics && { address: options.metrics, keys: settings.keys };
  const page = place && opened.use(await openMetricsPage(place, { meter, log, clock: engine.clock }));
  const scope = await scopeOf(scaled, names);
  const silentMs = Math.max(30_000, 6 * options.every);
  const leadership = isDryRun ? undefined : opened.use(openLeadership(servers.databaseUrl, { scope, silentMs }));
  const opening = { engine, queues: names, workerArgs: args, graceMs, isDryRun, log };
  const platform = opened.use(await openPlatform(scaled, opening));
  await platform.replicas(); // what is not there, or may not be touched, is told at the start
  const goals = queues.map(({ name: queue, ratePerHour, scaling }) => ({
    name: queue,
    goal: { ...scaling, ratePerHour },
  }));
  const clock = { now: () => engine.clock.now(), monotonic: () => systemClock.monotonic() };
  const everyMs = options.every;
  const loop = openAutoscaler({ engine, platform, leadership, queues: goals, everyMs, isDryRun, clock, log, meter });
  opened.defer(() => loop.close()); // first of all
  const resources = opened.move();
  log.info({ scope, queues: names, isDryRun, metricsUrl: page?.url }, "started");
  return {
    ready: `Sluice autoscales ${scope}`,
    linger: () => Promise.resolve(), // nobody connects to it
    async stop() {
      await resources.disposeAsync();
      log.info({ scope }, "stopped");
    },
  };
}

/** The flags of `sluice worker` among those that were given, but for the page's; the environment is the copies' as well. */
function workerArgs(command: Command): readonly string[] {
  const worker = command.parent?.commands.find((other) => other.name() === "worker");
  const known = new Set(worker?.options.map(({ long }) => long));
  return command.options.flatMap((option) => {
    const name = option.attributeName();
    if (!known.has(option.long) || name === "metrics" || command.getOptionValueSource(name) !== "cli") return [];
    const value: unknown = command.getOptionValue(name);
    return [`${option.long}=${typeof value === "number" ? `${value}ms` : String(value)}`]; // numbers are durations
  });
}
