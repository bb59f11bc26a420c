// Two PostgreSQL servers: a primary, and a standby that is a copy of it and follows it. It owns both. What a manager of
// failovers does (Patroni, a managed service) the test does, one step at a time: nothing is promoted by itself, and a
// primary that was replaced does not come back by itself.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import { lastingPort } from "./lasting-port.ts";
import { giveToOrdinaryUser, runAsOrdinaryUser } from "./ordinary-user.ts";
import { postgresProgram, startPostgres, type Machine, type Postgres } from "./postgres.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface StartPostgresPairOptions {
  /** Each commit waits until the standby has it, from the start. */
  readonly isSynchronous: boolean;
  /** Of both, as in postgresql.conf. What is to change at run time is set with `alter` instead. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** One for each; this machine's loopback unless given. */
  readonly machines?: readonly [Machine, Machine] | undefined;
}

interface Place {
  readonly folder: string;
  readonly port: number;
  readonly machine: Machine | undefined;
}

const pairSettings = { wal_keep_size: "256MB", wal_retrieve_retry_interval: "100ms" };
const stateMsMax = 30_000;
const lookAgainMs = 20;

/** Starts a primary and its standby on loopback ports; resolves once the standby follows. Disposing kills both. */
export async function startPostgresPair(options: StartPostgresPairOptions): Promise<PostgresPair> {
  const { isSynchronous, settings, machines } = options;
  await using resources = new AsyncDisposableStack();
  const place = async (machine?: Machine): Promise<Place> => {
    const { path: folder } = resources.use(await temporaryFolder());
    await giveToOrdinaryUser(folder);
    return { folder, port: await lastingPort(), machine };
  };
  const places = [await place(machines?.[0]), await place(machines?.[1])] as const;
  const pair = new PostgresPair(places, { ...pairSettings, ...settings }, resources.move());
  try {
    await pair.open(isSynchronous);
    return pair;
  } catch (error) {
    await pair[Symbol.asyncDispose]();
    throw error;
  }
}

export class PostgresPair implements AsyncDisposable {
  readonly #places: readonly [Place, Place];
  readonly #settings: Readonly<Record<string, string>>;
  readonly #resources: AsyncDisposableStack;
  readonly #running = new Map<number, Postgres>();
  /** Which of the places the primary has. */
  #leading = 0;

  constructor(
    places: readonly [Place, Place],
    settings: Readonly<Record<string, string>>,
    resources: AsyncDisposableStack,
  ) {
    this.#places = places;
    this.#settings = settings;
    this.#resources = resources;
  }

  /** Starts the primary, and the standby as a copy of it. */
  async open(isSynchronous: boolean): Promise<void> {
    await this.#start(this.#leading);
    await this.rejoin();
    if (isSynchronous) await this.setSynchronous(true);
  }

  /** The server that is written to: the old one, until the standby is promoted. Throws while it is dead. */
  get primary(): Postgres {
    return this.#at(this.#leading);
  }

  /** The other one: the standby, or after a promotion the old primary. Throws while it is dead. */
  get other(): Postgres {
    return this.#at(1 - this.#leading);
  }

  /** Where the primary listens, dead or alive. */
  get primaryPort(): number {
    return this.#places[this.#leading]?.port as number;
  }

  /** Of both servers, in the order of the URL. */
  get ports(): readonly [number, number] {
    return [this.#places[0].port, this.#places[1].port];
  }

  /** Of the primary, and of the other one. Throws on the loopback. */
  get machines(): readonly [Machine, Machine] {
    const [primary, other] = [this.#places[this.#leading]?.machine, this.#places[1 - this.#leading]?.machine];
    if (primary === undefined || other === undefined) throw new Error("this pair runs on the loopback");
    return [primary, other];
  }

  /** Names both hosts, for clients that look for the one they can write to. */
  urlOf(database = "sluice"): string {
    const hosts = this.#places.map((place) => `${hostOf(place)}:${place.port}`).join(",");
    return `postgres://sluice@${hosts}/${encodeURIComponent(database)}?target_session_attrs=read-write`;
  }

  /** SIGKILL to a server and all its backends, frozen or not; resolves once nothing of it runs. */
  async kill(server: Postgres): Promise<void> {
    this.#running.delete(this.#places.findIndex(({ port }) => port === server.port));
    server.killAll("SIGKILL");
    await server.exited;
    await server[Symbol.asyncDispose]();
  }

  /**
   * Makes the standby the primary, and leaves the old one as it is. No commit waits for a standby from then on:
   * there is none until one joins.
   */
  async promote(): Promise<void> {
    const promoted = this.other;
    await this.alter(promoted, "synchronous_standby_names", undefined);
    await query(promoted, "SELECT pg_promote()");
    this.#leading = 1 - this.#leading;
  }

  /** Makes the other server a standby, as a new copy of the primary in its place; kills what still runs there. */
  async rejoin(): Promise<void> {
    const number = 1 - this.#leading;
    const { folder } = this.#places[number] as Place;
    const old = this.#running.get(number);
    if (old !== undefined) await this.kill(old);
    const data = join(folder, "data");
    await rm(data, { recursive: true, force: true });
    const from = [`--host=${this.primary.host}`, `--port=${this.primary.port}`, "--username=sluice"];
    const args = [...from, `--pgdata=${data}`, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"];
    await runAsOrdinaryUser(postgresProgram("pg_basebackup"), args, folder);
    await this.startStandby();
  }

  /** Starts a standby that was killed, as it was; resolves once it follows the primary, if this one runs. */
  async startStandby(): Promise<void> {
    await this.#start(1 - this.#leading);
    if (this.#running.has(this.#leading))
      await this.#until("SELECT FROM pg_stat_replication WHERE state = 'streaming'");
  }

  /**
   * Kills both, and starts the primary on the files that `put` leaves in its folder of data; resolves once it takes writes
   * and a new standby follows it.
   */
  async restore(put: (data: string) => Promise<void>): Promise<void> {
    await Promise.all([...this.#running.values()].map((server) => this.kill(server)));
    const data = join((this.#places[this.#leading] as Place).folder, "data");
    await rm(data, { recursive: true, force: true });
    await put(data);
    await this.#start(this.#leading);
    await this.#until("SELECT WHERE NOT pg_is_in_recovery()");
    await this.rejoin();
  }

  /** Whether a commit waits until the standby has it. Resolves once it does, or does not any more. */
  async setSynchronous(isSynchronous: boolean): Promise<void> {
    await this.alter(this.primary, "synchronous_standby_names", isSynchronous ? "*" : undefined);
    const state = isSynchronous ? "sync" : "async";
    await this.#until(`SELECT FROM pg_stat_replication WHERE sync_state = '${state}'`);
  }

  /** Sets it at run time, for all sessions, with ALTER SYSTEM; undefined for its default. */
  async alter(server: Postgres, setting: string, value: string | undefined): Promise<void> {
    const how = value === undefined ? `RESET ${setting}` : `SET ${setting} = '${value}'`;
    await query(server, `ALTER SYSTEM ${how}`);
    await query(server, "SELECT pg_reload_conf()");
  }

  /** Freezes what the primary sends to the standby, so that this one falls behind until the primary ends. */
  async holdBack(): Promise<void> {
    const [sender] = await query<{ pid: number }>(this.primary, "SELECT pid FROM pg_stat_replication");
    if (sender === undefined) throw new Error("no standby follows the primary");
    process.kill(sender.pid, "SIGSTOP");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running.values()].map((server) => this.kill(server)));
    await this.#resources.disposeAsync();
  }

  #at(number: number): Postgres {
    const server = this.#running.get(number);
    if (server === undefined) throw new Error("this server of the pair does not run now");
    return server;
  }

  async #start(number: number): Promise<void> {
    const place = this.#places[number] as Place;
    this.#running.set(number, await startPostgres({ ...place, settings: this.#settings }));
  }

  async #until(sql: string): Promise<void> {
    const giveUpAt = performance.now() + stateMsMax;
    while ((await query(this.primary, sql)).length === 0) {
      if (performance.now() > giveUpAt) throw new Error(`not within ${stateMsMax} ms: ${sql}`);
      await delay(lookAgainMs);
    }
  }
}

function hostOf({ machine }: Place): string {
  return machine?.host ?? "127.0.0.1";
}

/** On a connection for it alone, in the database `postgres`: the state of the server, not of what it stores. */
async function query<Row extends object>({ host, port }: Postgres, sql: string): Promise<Row[]> {
  const client = new Client({ host, port, user: "sluice", database: "postgres" });
  client.on("error", () => {}); // the server may be killed under it; the query under way rejects
  await client.connect();
  try {
    return (await client.query<Row & Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
