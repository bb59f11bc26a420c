// `sluice up`: gateway, worker and the embedded store in one process.
import { flushCompileCache } from "node:module";
import { Option, type Command } from "commander";
import type { Overrides } from "../config/config.ts";
import { loadConfigFile } from "../config/load-file.ts";
import { readSettings } from "../config/read-settings.ts";
import { exitCodes } from "./failure.ts";

interface UpOptions extends Overrides {
  readonly config?: string;
  readonly logLevel: string;
  readonly logFormat: "auto" | "json" | "pretty";
}

const afterHelp = `
Without a file, one queue and the URL it posts to:
  sluice up --port 8080 --data ./data --queue orders --target http://127.0.0.1:9000/process --rate 100000/h

With a file, queues and handlers in TypeScript (sluice init writes one):
  sluice up --config sluice.config.ts

Flags go before the environment, the environment before the file, the file before the defaults.
A request is on disk before it is answered with 202. SIGTERM and SIGINT stop gracefully: intake ends, what runs
may finish within the grace, the rest is handed back; a second signal stops at once, and loses nothing either.
`;

export function registerUp(program: Command): void {
  const command = program
    .command("up")
    .description("start gateway and worker in one process, with the store in a folder");
  command
    .option("--config <file>", "the configuration; sluice.config.ts of this folder if there is one")
    .addOption(new Option("--port <port>", "where to listen; 0 takes a free one (default 8080)").env("PORT"))
    .addOption(new Option("--host <host>", "a loopback address (default 127.0.0.1)").env("HOST"))
    .addOption(new Option("--data <folder>", "the data folder (default ./data)").env("SLUICE_DATA"))
    .option("--queue <name>", "a queue to serve, without a file or changing what the file says")
    .option("--target <url>", "with --queue: post each request to this URL")
    .option("--rate <rate>", "with --queue: attempts started at most, as 100000/h (default unlimited)")
    .option("--concurrency <n>", "with --queue: attempts that run at once (default 16)")
    .option("--timeout <duration>", "with --queue: how long an attempt may take (default 30s)")
    .addOption(
      new Option("--retention <duration>", "keep finished requests this long (default 7d)").env("SLUICE_RETENTION"),
    )
    .addOption(new Option("--body-max <size>", "the largest body (default 1MiB)").env("SLUICE_BODY_MAX"))
    .addOption(
      new Option("--disk-free-min <size>", "refuse intake below this free space (default 256MiB)").env(
        "SLUICE_DISK_FREE_MIN",
      ),
    )
    .addOption(
      new Option("--grace <duration>", "how long a stop waits for what runs (default 25s)").env("SLUICE_GRACE"),
    )
    .addOption(
      new Option("--log-level <level>", "debug, info, warn, error or silent").env("SLUICE_LOG_LEVEL").default("info"),
    )
    .addOption(
      new Option("--log-format <format>", "pretty on a terminal, json elsewhere")
        .env("SLUICE_LOG_FORMAT")
        .choices(["auto", "json", "pretty"])
        .default("auto"),
    )
    .addHelpText("after", afterHelp)
    .action(up);
}

/** The server's parts are loaded here, so that the other commands start without them. */
async function up({ config, logLevel, logFormat, ...overrides }: UpOptions): Promise<void> {
  const [{ serve }, { openLog }] = await Promise.all([import("./serve.ts"), import("../telemetry/log.ts")]);
  const settings = readSettings(await loadConfigFile(config), overrides);
  const isPretty = logFormat === "auto" ? process.stderr.isTTY : logFormat === "pretty";
  const log = openLog({ level: logLevel, isPretty });
  const server = await serve(settings, log);
  process.stdout.write(`Sluice listens on ${server.url}\n`);
  flushCompileCache(); // one that is killed writes it no more
  await new Promise<void>((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      process.once("SIGTERM", stopNow).once("SIGINT", stopNow);
      log.info({ signal }, "stopping");
      resolve();
    };
    process.once("SIGTERM", stop).once("SIGINT", stop);
  });
  await server.stop();
}

/** After a second signal. What runs is found again at the next start. */
function stopNow(): void {
  process.exit(exitCodes.failed);
}
