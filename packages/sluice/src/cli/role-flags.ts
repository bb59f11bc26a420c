// The flags that the servers share, and what they were set to.
import { Option, type Command } from "commander";
import { fileSettings, queueSettings, spoolSettings } from "../config/declared-settings.ts";
import type { Overrides } from "../config/overrides.ts";
import { loadConfigFile } from "../config/load-file.ts";
import type { Sources } from "../config/read-settings.ts";
import type { Logger } from "../telemetry/log.ts";
import type { MetricsAddress } from "../telemetry/metrics-listener.ts";
import { memberSettings, overrideOption, settingOption } from "./flag-settings.ts";
import { addressFlag } from "./server-options.ts";

export interface LogOptions {
  readonly logLevel: string;
  readonly logFormat: "auto" | "json" | "pretty";
}

export interface MetricsOptions {
  readonly metrics?: MetricsAddress;
}

export interface RoleOptions extends Overrides, LogOptions {
  readonly config?: string;
}

/** A server that is one of many. */
export interface MemberOptions extends RoleOptions {
  readonly replicas: number;
  /** In milliseconds. */
  readonly waitForServers: number;
}

export async function sourcesOf({ config, ...overrides }: Overrides & { readonly config?: string }): Promise<Sources> {
  return { file: await loadConfigFile(config), overrides, env: process.env };
}

/** The logger is loaded here, so that the commands that do not log start without it. */
export async function openRoleLog({ logLevel, logFormat }: LogOptions): Promise<Logger> {
  const { openLog } = await import("../telemetry/log.ts");
  const isPretty = logFormat === "auto" ? process.stderr.isTTY : logFormat === "pretty";
  return openLog({ level: logLevel, isPretty });
}

export function addConfigFlag(command: Command): Command {
  return command.option("--config <file>", "the configuration; sluice.config.ts of this folder if there is one");
}

export function addIntakeFlags(command: Command): Command {
  return command
    .addOption(overrideOption("--port <port>", "where to listen; 0 takes a free one", fileSettings.port).env("PORT"))
    .addOption(
      new Option("--host <host>", "where to listen; without API keys a loopback address (default 127.0.0.1)").env(
        "HOST",
      ),
    )
    .addOption(keysOption())
    .addOption(
      new Option(
        "--hosts <names>",
        "the gateway's own names, as sluice.example,…; without API keys calls must name one of them, or the loopback",
      ).env("SLUICE_HOSTS"),
    )
    .addOption(
      new Option(
        "--activity-log <file>",
        "write the activity log to this file; it is among the other lines unless given",
      ).env("SLUICE_ACTIVITY_LOG"),
    )
    .addOption(
      new Option("--cors <origins>", "whose pages may call the API, as https://app.example,… (default none)").env(
        "SLUICE_CORS",
      ),
    )
    .addOption(new Option("--tls-cert <file>", "speak TLS with this certificate (PEM)").env("SLUICE_TLS_CERT_FILE"))
    .addOption(new Option("--tls-key <file>", "its private key (PEM)").env("SLUICE_TLS_KEY_FILE"))
    .addOption(
      overrideOption(
        "--admin-port <port>",
        "a port of their own for the admin routes; none unless given",
        fileSettings.adminPort,
      ).env("SLUICE_ADMIN_PORT"),
    )
    .addOption(new Option("--admin-host <host>", "where that port is (default 127.0.0.1)").env("SLUICE_ADMIN_HOST"))
    .addOption(overrideOption("--body-max <size>", "the largest body", fileSettings.bodyMax).env("SLUICE_BODY_MAX"))
    .addOption(
      overrideOption(
        "--linger <duration>",
        "how long SIGTERM lets it serve on, so that proxies in front notice",
        fileSettings.linger,
      ).env("SLUICE_LINGER"),
    );
}

export function addKeysFlag(command: Command): Command {
  return command.addOption(keysOption());
}

function keysOption(): Option {
  return new Option(
    "--keys <file>",
    "the API keys (default keys.json in the data folder; SLUICE_KEYS takes the content of such a file)",
  ).env("SLUICE_KEYS_FILE");
}

export function addWorkFlags(command: Command): Command {
  command.option("--queue <name>", "a queue to serve, without a file or changing what the file says");
  return addTargetFlags(command, "with --queue: post each request to this URL")
    .addOption(
      overrideOption(
        "--rate <rate>",
        "with --queue: attempts started at most, as 100000/h; auto finds what the target can do; unlimited unless given",
        queueSettings.rate,
      ),
    )
    .addOption(
      overrideOption(
        "--concurrency <n>",
        "with --queue: attempts that run at once; auto finds how many the target can work on",
        queueSettings.concurrency,
      ),
    )
    .addOption(
      overrideOption("--timeout <duration>", "with --queue: how long an attempt may take", queueSettings.timeout),
    )
    .addOption(
      overrideOption("--grace <duration>", "how long a stop waits for what runs", fileSettings.grace).env(
        "SLUICE_GRACE",
      ),
    );
}

/** Service B, and how it is called. */
export function addTargetFlags(command: Command, what: string): Command {
  return command
    .option("--target <url>", what)
    .addOption(
      new Option(
        "--target-header <header>",
        "with --queue: a header of each call to the target, as 'Authorization: Bearer …'; several may be given. A secret is better in SLUICE_TARGET_HEADERS_FILE, a line for each",
      ).argParser(collected),
    )
    .addOption(
      new Option(
        "--target-path <how>",
        "with --queue: append makes the call that the front's sender made, below the target's path; fixed posts to the target itself (default append with --front, and for a target without a path)",
      ).choices(["append", "fixed"]),
    )
    .addOption(
      new Option(
        "--target-allow <list>",
        "private hosts or networks that may be called, as b,10.0.0.0/8 (or private)",
      ).env("SLUICE_TARGET_ALLOW"),
    );
}

function collected(header: string, before: readonly string[] = []): readonly string[] {
  return [...before, header];
}

/** Where any HTTP request is taken for one of a queue. */
export function addFrontFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--front <address>",
        "take any HTTP request on this port, or on host:port, for a queue: front unless --queue or the file names one (default none)",
      ).env("SLUICE_FRONT"),
    )
    .option("--no-pass-through", "with --front: GET, HEAD and OPTIONS are 405 instead of going straight to the target");
}

export function addRetentionFlag(command: Command): Command {
  return command.addOption(
    overrideOption("--retention <duration>", "keep finished requests this long", fileSettings.retention).env(
      "SLUICE_RETENTION",
    ),
  );
}

/** The secrets among them are read from the environment by the configuration, which knows their files as well. */
export function addServersFlags(command: Command): Command {
  return command
    .option("--database-url <url>", "PostgreSQL (env: DATABASE_URL, DATABASE_URL_FILE)")
    .option("--amqp-url <url>", "RabbitMQ; optional (env: AMQP_URL, AMQP_URL_FILE)")
    .option("--redis-url <url>", "Redis; optional (env: REDIS_URL, REDIS_URL_FILE)")
    .addOption(
      new Option("--prefix <name>", 'begins every name on RabbitMQ and Redis (default "sluice")').env("SLUICE_PREFIX"),
    );
}

/** Where requests are kept while PostgreSQL is out. */
export function addSpoolFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--spool <folder>",
        "keep requests in this folder while PostgreSQL is out, and forward them when it is back (default none)",
      ).env("SLUICE_SPOOL_FOLDER"),
    )
    .addOption(
      overrideOption("--spool-max <size>", "how much the spool may hold", spoolSettings.max).env("SLUICE_SPOOL_MAX"),
    );
}

export function addWaitForServersFlag(command: Command): Command {
  return command.addOption(
    settingOption(
      "--wait-for-servers <duration>",
      "how long to try again when a server is unreachable at the start",
      memberSettings.waitForServers,
    ).env("SLUICE_WAIT_FOR_SERVERS"),
  );
}

export function addReplicasFlag(command: Command): Command {
  return command.addOption(
    settingOption("--replicas <n>", "run so many copies, and start again one that dies", memberSettings.replicas),
  );
}

/** Of a process without a gateway, whose page it is. */
export function addMetricsFlag(command: Command): Command {
  return addKeysFlag(command).option(
    "--metrics <address>",
    "GET /metrics for Prometheus on this port of the loopback, or on host:port (default none)",
    addressFlag,
  );
}

export function addLogFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--log-level <level>", "what is logged, on standard error")
        .env("SLUICE_LOG_LEVEL")
        .choices(["debug", "info", "warn", "error", "silent"])
        .default("info"),
    )
    .addOption(
      new Option("--log-format <format>", "pretty on a terminal, json elsewhere")
        .env("SLUICE_LOG_FORMAT")
        .choices(["auto", "json", "pretty"])
        .default("auto"),
    );
}

export const callbacksHelp = `
Callbacks are signed with a secret: SLUICE_CALLBACK_SECRET, the file that SLUICE_CALLBACK_SECRET_FILE names, or "callbacks"
and "callback" in the configuration. Without one, requests that name a URL are refused. SLUICE_CALLBACK_ALLOW, or "callbacks.allow",
names private hosts and networks that callbacks may call, as b,10.0.0.0/8.
`;

export const serversHelp = `
The servers, by flag, environment, or "cluster" in the file; a secret may also stand in the file that …_FILE names:
  DATABASE_URL=postgres://user:password@host:5432/database
  AMQP_URL=amqp://user:password@host:5672
  REDIS_URL=redis://host:6379
Only DATABASE_URL is required; an empty variable counts as unset. Without AMQP_URL, workers find waiting requests in PostgreSQL.
Without REDIS_URL, workers share rates, and gateways hear of outcomes, through PostgreSQL.
RabbitMQ with several nodes: amqp://user:password@a,b,c. Redis with Sentinels: redis+sentinel://:password@a,b,c/mymaster.
`;
