// PgBouncer as a private process before one PostgreSQL, in transaction mode unless its settings say otherwise.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { lastingPort } from "./lasting-port.ts";
import { asOrdinaryUser, giveToOrdinaryUser } from "./ordinary-user.ts";
import { startServer, stopServer } from "./start-server.ts";
import { findProgram } from "./system-program.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface StartPgbouncerOptions {
  /** Where PostgreSQL listens, on the loopback, or a proxy before it. */
  readonly serverPort: number;
  /** As in the section [pgbouncer] of pgbouncer.ini, for example `{ default_pool_size: "5" }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

export interface Pgbouncer extends AsyncDisposable {
  readonly port: number;
  readonly pid: number;
  output(): string;
  kill(signal: NodeJS.Signals): boolean;
  urlOf(database: string): string;
}

/** Starts it on a loopback port, for every database of the server; resolves once it listens. Disposing stops it. */
export async function startPgbouncer({ serverPort, settings = {} }: StartPgbouncerOptions): Promise<Pgbouncer> {
  const program = findProgram({ program: "pgbouncer", debianPackage: "pgbouncer" });
  await using resources = new AsyncDisposableStack();
  const { path: folder } = resources.use(await temporaryFolder());
  await giveToOrdinaryUser(folder);
  const port = await lastingPort();
  const [file, users] = [join(folder, "pgbouncer.ini"), join(folder, "users.txt")];
  await writeFile(users, '"sluice" ""\n');
  await writeFile(file, configurationOf(serverPort, { listen_port: String(port), auth_file: users, ...settings }));
  const child = await startServer({
    ...asOrdinaryUser(program, [file]),
    cwd: folder,
    ready: /process up: PgBouncer/,
    busy: /Address already in use/,
  });
  resources.defer(() => stopServer(child, "SIGTERM"));
  const owned = resources.move();
  return {
    port,
    pid: child.pid,
    output: () => child.output(),
    kill: (signal) => child.kill(signal),
    urlOf: (database) => `postgres://sluice@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function configurationOf(serverPort: number, settings: Readonly<Record<string, string>>): string {
  const all = {
    listen_addr: "127.0.0.1",
    unix_socket_dir: "",
    auth_type: "trust",
    pool_mode: "transaction",
    max_client_conn: "500",
    ...settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`);
  return `[databases]\n* = host=127.0.0.1 port=${serverPort}\n\n[pgbouncer]\n${lines.join("\n")}\n`;
}
