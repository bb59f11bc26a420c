import { existsSync, readFileSync } from "node:fs";
import { appendFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Client, escapeIdentifier } from "pg";
import type { Child, Exit } from "./child.ts";
import { lastingPort } from "./lasting-port.ts";
import { asOrdinaryUser, giveToOrdinaryUser, runAsOrdinaryUser } from "./ordinary-user.ts";
import { startServer, stopServer } from "./start-server.ts";
import { findProgram } from "./system-program.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface StartPostgresOptions {
  /** Where it keeps its files; a temporary folder unless given. Give it, with the port, to start one again. */
  readonly folder?: string | undefined;
  readonly port?: number | undefined;
  /** As in postgresql.conf, for example `{ synchronous_commit: "off" }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** More environment of the server. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** This machine's loopback unless given. */
  readonly machine?: Machine | undefined;
}

/** A network that a server can be in, as if it ran on a machine of its own. */
export interface Machine {
  /** Its address, by which all others reach it. */
  readonly host: string;
  /** What runs a program in there, such as `["nsenter", "--net", "--target", "42"]`. */
  readonly enter: readonly string[];
}

export interface Postgres extends AsyncDisposable {
  /** The database `sluice`, as the superuser `sluice`. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  readonly folder: string;
  readonly pid: number;
  /** Resolves once the server and all its backends have ended. */
  readonly exited: Promise<Exit>;
  output(): string;
  kill(signal: NodeJS.Signals): boolean;
  /** Sends it to the server and to each of its backends, which are process groups of their own: SIGSTOP freezes all. */
  killAll(signal: NodeJS.Signals): void;
  /** Creates a database, as a copy of another one if that is named; resolves to its URL. */
  createDatabase(name: string, template?: string): Promise<string>;
  /** Drops a database if it is there, with the connections to it. */
  dropDatabase(name: string): Promise<void>;
}

const user = "sluice";

/** One of PostgreSQL's own programs, such as `pg_basebackup`: they lie where the server does. */
export function postgresProgram(name: string): string {
  const outsidePath = `/usr/lib/postgresql/*/bin/${name}`;
  return findProgram({ program: name, debianPackage: "postgresql", outsidePath });
}

/** Starts a PostgreSQL of its own on a loopback port; resolves once it answers. Disposing stops it. */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<Postgres> {
  const program = postgresProgram("postgres");
  await using resources = new AsyncDisposableStack();
  const folder = options.folder ?? resources.use(await temporaryFolder()).path;
  const port = options.port ?? (await lastingPort());
  const data = join(folder, "data");
  const isKept = options.folder !== undefined;
  if (!existsSync(join(data, "PG_VERSION")))
    await initialise(join(dirname(program), "initdb"), { folder, data, isSynced: isKept, machine: options.machine });
  // Set once the user is changed: a library that is preloaded as root makes files that the server then cannot open.
  const variables = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const address: Address = { host: options.machine?.host ?? "127.0.0.1", port };
  const { command, args } = asOrdinaryUser("env", [
    ...variables,
    program,
    "-D",
    data,
    ...settingsOf(address, options.settings),
  ]);
  const [first, ...others] = [...(options.machine?.enter ?? []), command, ...args];
  const child = await startServer({
    command: first as string,
    args: others,
    cwd: folder,
    ready: /database system is ready to accept (?:read-only )?connections/,
    busy: /Address already in use|pre-existing shared memory block|lock file "postmaster.pid" already exists/,
  });
  resources.defer(() => stopServer(child, "SIGINT"));
  await createFirstDatabase(address);
  return postgresOf(child, { ...address, folder }, resources.move());
}

async function initialise(
  program: string,
  {
    folder,
    data,
    isSynced,
    machine,
  }: {
    readonly folder: string;
    readonly data: string;
    readonly isSynced: boolean;
    readonly machine?: Machine | undefined;
  },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await giveToOrdinaryUser(folder);
  const args = [
    `--pgdata=${data}`,
    `--username=${user}`,
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    ...(isSynced ? [] : ["--no-sync"]),
  ];
  await runAsOrdinaryUser(program, args, folder);
  if (machine !== undefined)
    await appendFile(join(data, "pg_hba.conf"), "host all all samenet trust\nhost replication all samenet trust\n");
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function settingsOf({ host, port }: Address, settings: StartPostgresOptions["settings"]): readonly string[] {
  const all = {
    port: String(port),
    listen_addresses: host,
    unix_socket_directories: "",
    max_connections: "200",
    shared_buffers: "128MB",
    ...settings,
  };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

async function createFirstDatabase(address: Address): Promise<void> {
  await withClient(address, async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [user]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${user}`);
  });
}

function postgresOf(
  child: Child,
  { folder, ...address }: Address & { readonly folder: string },
  resources: AsyncDisposableStack,
): Postgres {
  return {
    url: urlOf(address, user),
    ...address,
    folder,
    pid: child.pid,
    exited: child.exited,
    output: () => child.output(),
    kill: (signal) => child.kill(signal),
    killAll(signal) {
      const before = childrenOf(child.pid);
      child.kill(signal);
      for (const pid of new Set([...before, ...childrenOf(child.pid)])) killIfThere(pid, signal);
    },
    async createDatabase(name, template) {
      const copied = template === undefined ? "" : ` TEMPLATE ${escapeIdentifier(template)}`;
      await withClient(address, (client) => client.query(`CREATE DATABASE ${escapeIdentifier(name)}${copied}`));
      return urlOf(address, name);
    },
    async dropDatabase(name) {
      await withClient(address, (client) =>
        client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`),
      );
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function childrenOf(pid: number): readonly number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return []; // it has ended
  }
}

function killIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // it had ended by itself
  }
}

async function withClient(address: Address, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: urlOf(address, "postgres") });
  client.on("error", () => {}); // the server may be killed under it; the query under way rejects
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

function urlOf({ host, port }: Address, database: string): string {
  return `postgres://${user}@${host}:${port}/${encodeURIComponent(database)}`;
}
