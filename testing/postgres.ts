import { existsSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
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
}

export interface Postgres extends AsyncDisposable {
  /** The database `sluice`, as the superuser `sluice`. */
  readonly url: string;
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
    await initialise(join(dirname(program), "initdb"), { folder, data, isSynced: isKept });
  // Set once the user is changed: a library that is preloaded as root makes files that the server then cannot open.
  const variables = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const child = await startServer({
    ...asOrdinaryUser("env", [...variables, program, "-D", data, ...settingsOf(port, options.settings)]),
    cwd: folder,
    ready: /database system is ready to accept (?:read-only )?connections/,
    busy: /Address already in use|pre-existing shared memory block|lock file "postmaster.pid" already exists/,
  });
  resources.defer(() => stopServer(child, "SIGINT"));
  await createFirstDatabase(port);
  return postgresOf(child, { port, folder }, resources.move());
}

async function initialise(
  program: string,
  { folder, data, isSynced }: { readonly folder: string; readonly data: string; readonly isSynced: boolean },
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
}

function settingsOf(port: number, settings: StartPostgresOptions["settings"]): readonly string[] {
  const all = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "200",
    shared_buffers: "128MB",
    ...settings,
  };
  return Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
}

async function createFirstDatabase(port: number): Promise<void> {
  await withClient(port, async (client) => {
    const { rowCount } = await client.query("SELECT FROM pg_database WHERE datname = $1", [user]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${user}`);
  });
}

function postgresOf(
  child: Child,
  { port, folder }: { port: number; folder: string },
  resources: AsyncDisposableStack,
): Postgres {
  return {
    url: urlOf(port, user),
    port,
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
      await withClient(port, (client) => client.query(`CREATE DATABASE ${escapeIdentifier(name)}${copied}`));
      return urlOf(port, name);
    },
    async dropDatabase(name) {
      await withClient(port, (client) =>
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

async function withClient(port: number, use: (client: Client) => Promise<unknown>): Promise<void> {
  const client = new Client({ connectionString: urlOf(port, "postgres") });
  client.on("error", () => {}); // the server may be killed under it; the query under way rejects
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}

function urlOf(port: number, database: string): string {
  return `postgres://${user}@127.0.0.1:${port}/${encodeURIComponent(database)}`;
}
