import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { connect } from "amqplib";
import { startChild } from "./child.ts";
import type { Child, Exit } from "./child.ts";
import { lastingPort } from "./lasting-port.ts";
import { rabbitmq4 } from "./rabbitmq4.ts";
import { startServer, stopServer } from "./start-server.ts";
import { findProgram } from "./system-program.ts";

/** Where a release of RabbitMQ is installed: "/" is this system, anything else is run through chroot. */
export interface RabbitmqRelease {
  readonly root: string;
  /** What it needs in its rabbitmq.conf. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

export interface StartRabbitmqOptions {
  /** Where it keeps its files; a temporary folder unless given. Give it, with the port, to start one again. */
  readonly folder?: string | undefined;
  readonly port?: number | undefined;
  /** As in rabbitmq.conf, for example `{ "vm_memory_high_watermark.relative": "0.1" }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** This system's unless given, or RabbitMQ 4 where SLUICE_TEST_RABBITMQ is 4. */
  readonly release?: RabbitmqRelease | undefined;
  /** The nodes that it may form a cluster with; alone unless given. */
  readonly peers?: RabbitmqPeers | undefined;
}

/** What nodes have in common that are to reach each other. */
export interface RabbitmqPeers {
  readonly cookie: string;
  /** Of an epmd that runs already. */
  readonly epmdPort: number;
}

export interface Rabbitmq extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  readonly pid: number;
  readonly version: string;
  readonly exited: Promise<Exit>;
  output(): string;
  kill(signal: NodeJS.Signals): boolean;
  /** Its name among its peers. */
  readonly nodeName: string;
  /** Runs rabbitmqctl against this node; resolves to what it printed. */
  ctl(...args: readonly string[]): Promise<string>;
  /** Deletes all that the node has stored. Only after its end. */
  wipe(): Promise<void>;
}

/** What runs in a release's root, with the paths as it sees them there. */
interface Node {
  readonly release: RabbitmqRelease;
  readonly folder: string;
  readonly port: number;
  readonly env: Readonly<Record<string, string>>;
}

const dataFolder = "data";
const execute = promisify(execFile);

/** Starts a RabbitMQ of its own on a loopback port; resolves once it takes connections. Disposing stops it. */
export async function startRabbitmq(options: StartRabbitmqOptions = {}): Promise<Rabbitmq> {
  const release = options.release ?? (await releaseOfEnvironment());
  await using resources = new AsyncDisposableStack();
  const folder = options.folder ?? (await temporaryFolderIn(release, resources));
  const node = await prepare(release, folder, options);
  if (options.peers === undefined) resources.use(await startEpmd(node.release, node.env));
  const child = await startServer({
    ...commandOf(release, serverOf(release)),
    env: node.env,
    cwd: folder,
    ready: /completed with \d+ plugins/,
    busy: /eaddrinuse/,
  });
  resources.defer(() => stopServer(child, "SIGTERM"));
  const version = await versionOf(node);
  return rabbitmqOf(child, node, version, resources.move());
}

async function releaseOfEnvironment(): Promise<RabbitmqRelease> {
  return process.env["SLUICE_TEST_RABBITMQ"] === "4" ? rabbitmq4() : { root: "/" };
}

/** A folder that a node can be started in, more than once. */
export async function folderForRabbitmq(resources: AsyncDisposableStack): Promise<string> {
  return temporaryFolderIn(await releaseOfEnvironment(), resources);
}

async function temporaryFolderIn({ root }: RabbitmqRelease, resources: AsyncDisposableStack): Promise<string> {
  const folder = await mkdtemp(join(root, root === "/" ? tmpdir() : "tmp", "sluice-"));
  resources.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

async function prepare(release: RabbitmqRelease, folder: string, options: StartRabbitmqOptions): Promise<Node> {
  const port = options.port ?? (await lastingPort());
  const { peers } = options;
  const env = await environmentOf(insideOf(release, folder), port, peers?.epmdPort ?? (await lastingPort()));
  await mkdir(folder, { recursive: true });
  if (peers !== undefined) await shareCookie(join(folder, ".erlang.cookie"), peers.cookie);
  await writeFile(join(folder, "rabbitmq.conf"), configurationOf(port, { ...release.settings, ...options.settings }));
  await linkInstallation(release, folder);
  return { release, folder, port, env };
}

/**
 * An installation of its own, of links, without the plugins: Erlang looks for each of its modules in the folder of
 * each plugin, also in those that are not enabled, which is a third of the work of a start.
 */
async function linkInstallation(release: RabbitmqRelease, folder: string): Promise<void> {
  const scripts = dirname(await realpath(join(release.root, serverOf(release))));
  const installation = dirname(scripts);
  const libraries = await readdir(join(installation, "plugins"));
  const needed = libraries.filter((name) => !/^rabbitmq_(?!prelaunch)/.test(name));
  await mkdir(join(folder, "installation", "plugins"), { recursive: true });
  for (const name of ["sbin", "escript", ...needed.map((library) => join("plugins", library))]) {
    const link = join(folder, "installation", name);
    await rm(link, { force: true });
    await symlink(insideOf(release, join(installation, name)), link);
  }
}

/** The folder as the release sees it. */
function insideOf({ root }: RabbitmqRelease, folder: string): string {
  const path = relative(root, folder);
  if (path.startsWith("..")) throw new Error(`the folder of this RabbitMQ must lie in ${root}, got ${folder}`);
  return join("/", path);
}

function configurationOf(port: number, settings: Readonly<Record<string, string>>): string {
  const all = {
    "listeners.tcp.local": `127.0.0.1:${port}`,
    "vm_memory_high_watermark.relative": "0.4",
    "disk_free_limit.absolute": "50MB",
    "log.console.level": "warning",
    ...settings,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join("");
}

/** Erlang takes one only if nobody else may read it. */
async function shareCookie(file: string, cookie: string): Promise<void> {
  await rm(file, { force: true });
  await writeFile(file, cookie, { mode: 0o400 });
}

async function environmentOf(folder: string, port: number, epmdPort: number): Promise<Record<string, string>> {
  return {
    HOME: folder, // of the Erlang cookie
    RABBITMQ_SCRIPTS_DIR: join(folder, "installation", "sbin"),
    RABBITMQ_NODENAME: nodeName(port),
    RABBITMQ_MNESIA_BASE: join(folder, dataFolder),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_LOGS: "-",
    RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
    RABBITMQ_CONFIG_FILES: join(folder, "conf.d", "*.conf"),
    RABBITMQ_CONF_ENV_FILE: join(folder, "rabbitmq-env.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "enabled_plugins"),
    RABBITMQ_DIST_PORT: String(await lastingPort()),
    ...epmdEnvironment(epmdPort),
    ERL_CRASH_DUMP_SECONDS: "0",
    // Without busy waiting an idle node leaves the processors to its neighbours.
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
      "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}",
    // The script then replaces itself with the Erlang machine, so that the process id is that of the node.
    RUNNING_UNDER_SYSTEMD: "true",
  };
}

function nodeName(port: number): string {
  return `sluice-${port}@localhost`;
}

function epmdEnvironment(port: number): Readonly<Record<string, string>> {
  return { ERL_EPMD_PORT: String(port), ERL_EPMD_ADDRESS: "127.0.0.1" };
}

/** What several nodes find each other by. Disposing ends it: after them. */
export async function startRabbitmqPeers(): Promise<RabbitmqPeers & AsyncDisposable> {
  const epmdPort = await lastingPort();
  const epmd = await startEpmd(await releaseOfEnvironment(), epmdEnvironment(epmdPort));
  return { cookie: randomUUID(), epmdPort, [Symbol.asyncDispose]: () => epmd[Symbol.asyncDispose]() };
}

/** A node that finds no epmd starts one that outlives it. This one is ours. */
async function startEpmd(release: RabbitmqRelease, env: Readonly<Record<string, string>>): Promise<Child> {
  const program = isInstalledHere(release)
    ? findProgram({ program: "epmd", debianPackage: "erlang-base" })
    : "/usr/bin/epmd";
  const epmd = await startChild({ ...commandOf(release, program, ["-d"]), env });
  await epmd.line(/epmd running/);
  return epmd;
}

function serverOf(release: RabbitmqRelease): string {
  const outsidePath = "/usr/lib/rabbitmq/bin/rabbitmq-server"; // the one on Debian's PATH changes the user
  if (!isInstalledHere(release)) return outsidePath;
  return findProgram({ program: "rabbitmq-server", debianPackage: "rabbitmq-server", outsidePath });
}

function isInstalledHere(release: RabbitmqRelease): boolean {
  return release.root === "/";
}

function commandOf(
  release: RabbitmqRelease,
  program: string,
  args: readonly string[] = [],
): { command: string; args: readonly string[] } {
  if (isInstalledHere(release)) return { command: program, args };
  return { command: "chroot", args: [release.root, program, ...args] };
}

async function versionOf({ port }: Node): Promise<string> {
  const connection = await connect(urlOf(port));
  const { version } = connection.connection.serverProperties;
  await connection.close();
  return version;
}

function urlOf(port: number): string {
  return `amqp://guest:guest@127.0.0.1:${port}`;
}

function rabbitmqOf(child: Child, node: Node, version: string, resources: AsyncDisposableStack): Rabbitmq {
  const { port, folder, release } = node;
  let hasEnded = false;
  void child.exited.then(() => (hasEnded = true));
  return {
    url: urlOf(port),
    port,
    folder,
    version,
    nodeName: nodeName(port),
    pid: child.pid,
    exited: child.exited,
    output: () => child.output(),
    kill: (signal) => child.kill(signal),
    async ctl(...args) {
      const { command, args: all } = commandOf(release, join(dirname(serverOf(release)), "rabbitmqctl"), args);
      const { stdout } = await execute(command, all, { env: { ...process.env, ...node.env } });
      return stdout;
    },
    async wipe() {
      if (!hasEnded) throw new Error("RabbitMQ still runs: kill it and await its end before it is wiped");
      await rm(join(folder, dataFolder), { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}
