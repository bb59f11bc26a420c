// The models of the statements are held against PostgreSQL: what histories asked of the simulated ledger is asked of a
// real one again, each session on a connection of its own, and every answer must be the same.
import { after, before, test } from "node:test";
import { deepEqual, equal, ok } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { startPostgres, type Postgres } from "@sluice/testing";
import { Client } from "pg";
import { openLog } from "../../packages/sluice/src/telemetry/log.ts";
import { migrateCluster } from "../../packages/sluice/src/engines/cluster/ledger/schema/migrate.ts";
import type { Recorded } from "./ledger/recording.ts";

/** Between them they ask for all that is looked for at the end of the test. */
const seeds = [
  2, 3, 5, 6, 8, 9, 10, 11, 14, 15, 16, 18, 19, 21, 22, 23, 24, 30, 31, 33, 34, 38, 39, 40, 41, 42, 44, 45, 47, 48, 51,
  54, 55, 56, 57, 58, 60, 61, 62, 67, 68, 69, 83,
];
const queues = ["orders", "mails", "books"];
/** What they answer is not of the tables, or of no history. */
const constant =
  /^(settings-check|migrate-|retention-|read-clock|rests-on|end-session|select-(workers|totals|queues|backlogs)|group-bounds|feeder-(lines|(forget|tell)-counts))/;
/** What the processes look for all the time, and mostly do not find. */
const looks =
  /^(hint-due|outbox-holds|members-heard|oldest-hinted|look-for-due|select-audited|is-overtaken|feeder-(look|begun|events|handed|overrides|counts))$/;

const wanted =
  "store store-with-extras hold-expired expire expiring confirm beat hold-term claim settle settle-forgotten retry hint-due reap hand-back cancel replay pause " +
  "feeder-admit feeder-promote feeder-left feeder-back feeder-hand-out release-unknown take-hints free-hints free-hints-of-gone store-hints put-back-from unhint own-outcomes audit-requests backlog-first-pages fresh-from";

let postgres: Postgres;
before(async () => {
  postgres = await startPostgres();
});
after(() => postgres[Symbol.asyncDispose]());

test("PostgreSQL answers each statement as its model does", { timeout: 240_000 }, async () => {
  const asked = new Set<string>();
  for (const [seed, recorded] of record()) {
    const databaseUrl = await postgres.createDatabase(`history_${seed}`);
    await using replay = await Replay.open(databaseUrl);
    for (const [at, one] of recorded.entries()) {
      if (one.kind === "statement") asked.add(one.name);
      await replay.ask(one, `seed ${seed}, statement ${at}`);
    }
  }
  for (const name of wanted.split(" "))
    ok(asked.has(name), `no history had the statement ${name}: ${[...asked].join(" ")}`);
});

function record(): ReadonlyMap<number, readonly Recorded[]> {
  const command = [path.join(import.meta.dirname, "record.ts"), ...seeds.map(String)];
  const { status, stdout } = spawnSync(process.execPath, command, {
    encoding: "utf8",
    maxBuffer: 2 ** 30,
    stdio: ["ignore", "pipe", "inherit"],
  });
  equal(status, 0);
  const histories = new Map<number, Recorded[]>();
  let own: Recorded[] = [];
  for (const line of stdout.split("\n").filter((text) => text !== "")) {
    const parsed = JSON.parse(line, revive) as Recorded | { readonly kind: "history"; readonly seed: number };
    if (parsed.kind === "history") histories.set(parsed.seed, (own = []));
    else own.push(parsed);
  }
  return histories;
}

const clockStatements = [
  "CREATE TABLE sluice.clock (ms float8 NOT NULL)",
  "INSERT INTO sluice.clock VALUES (0)",
  `CREATE FUNCTION sluice.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT to_timestamp(ms / 1000) FROM sluice.clock'`,
  "ALTER TABLE sluice.members ALTER seen_at SET DEFAULT sluice.clock()",
  "ALTER TABLE sluice.outbox ALTER stored_at SET DEFAULT sluice.clock()",
  "ALTER TABLE sluice.schedule ALTER stored_at SET DEFAULT (extract(epoch FROM sluice.clock()) * 1000)::bigint",
];

class Replay implements AsyncDisposable {
  readonly #databaseUrl: string;
  readonly #keeper: Client;
  readonly #sessions = new Map<number, Client>();

  static async open(databaseUrl: string): Promise<Replay> {
    const servers = { databaseUrl, amqpUrl: "", redisUrl: "", prefix: "sim" };
    const log = openLog({ level: "silent", isPretty: false });
    await migrateCluster({ servers, queues, log, declare: () => Promise.resolve("declared") });
    const keeper = await connect(databaseUrl);
    // The history's clock, where a statement asks the server's.
    for (const statement of clockStatements) await keeper.query(statement);
    return new Replay(databaseUrl, keeper);
  }

  private constructor(databaseUrl: string, keeper: Client) {
    this.#databaseUrl = databaseUrl;
    this.#keeper = keeper;
  }

  async ask(recorded: Recorded, where: string): Promise<void> {
    switch (recorded.kind) {
      case "crashed":
        await this.#keeper.query("TRUNCATE sluice.running, sluice.intact");
        return;
      case "ended":
        await this.#end(recorded.session);
        return;
      case "script":
        await (await this.#sessionOf(recorded.session)).query(recorded.text);
        return;
      case "statement":
        if (!constant.test(recorded.name) && !isIdle(recorded)) await this.#compare(recorded, where);
        return;
      default:
        recorded satisfies never;
    }
  }

  async #compare(one: Extract<Recorded, { kind: "statement" }>, where: string): Promise<void> {
    const { drawn, clockMs, name, values, answer } = one;
    await this.#keeper.query(`UPDATE sluice.clock SET ms = ${clockMs};
      SELECT ${lastOf("sluice.tokens", drawn.tokens)}, ${lastOf("sluice.outbox_no_seq", drawn.outbox)},
        ${lastOf("sluice.lined_no_seq", drawn.lines)}, ${lastOf("sluice.line_events_no_seq", drawn.events)}`);
    const client = await this.#sessionOf(one.session);
    const text = one.text.replaceAll("clock_timestamp()", "sluice.clock()");
    try {
      const { rows } = await client.query<Readonly<Record<string, unknown>>>(text, [...values]);
      if ("refused" in answer) deepEqual(rows, answer, where);
      else
        deepEqual(
          sorted(rows.map(plain)),
          sorted(answer.map((row, at) => likeness(row, rows[at] ?? {}))),
          `${where}: ${name}`,
        );
    } catch (error) {
      if (!("refused" in answer)) throw error;
      equal((error as { readonly code?: unknown }).code, answer.refused, `${where}: ${name}`);
    }
  }

  async #sessionOf(no: number): Promise<Client> {
    const client = this.#sessions.get(no) ?? (await connect(this.#databaseUrl));
    this.#sessions.set(no, client);
    return client;
  }

  /** Resolves once the server has let go of its rows. */
  async #end(no: number): Promise<void> {
    const client = this.#sessions.get(no);
    if (client === undefined) return;
    this.#sessions.delete(no);
    await client.query("ROLLBACK").catch(() => undefined); // ended already
    await client.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#sessions.values(), this.#keeper].map((client) => client.end().catch(() => undefined)));
  }
}

async function connect(connectionString: string): Promise<Client> {
  const client = new Client({ connectionString });
  client.on("error", () => undefined); // told by the next query
  await client.connect();
  // As the product's lanes are set, and so that numbers are drawn in the order of ids and of groups.
  await client.query("SET statement_timeout = '5s'"); // the model waits for nobody here, and PostgreSQL must not either
  await client.query("SET jit = off"); // what is switched off here costs so much that it would be compiled
  for (const kind of ["hashagg", "hashjoin", "mergejoin", "seqscan"]) await client.query(`SET enable_${kind} = off`);
  return client;
}

function lastOf(sequence: string, last: number): string {
  return `setval('${sequence}', ${Math.max(1, last)}, ${last > 0})`;
}

function revive(_name: string, value: unknown): unknown {
  const isBuffer = typeof value === "object" && value !== null && "type" in value && value.type === "Buffer";
  return isBuffer && "data" in value ? Buffer.from(value.data as number[]) : value;
}

/** The columns that PostgreSQL gives, of a row that the model may have given more of. */
function likeness(row: Readonly<Record<string, unknown>>, like: Readonly<Record<string, unknown>>): string {
  return plain(Object.fromEntries(Object.keys(like).map((name) => [name, row[name] ?? null])));
}

function plain(row: Readonly<Record<string, unknown>>): string {
  const names = Object.keys(row).filter((name) => name !== "?column?" && !name.startsWith("pg_"));
  return JSON.stringify(names.sort().map((name) => [name, row[name]]));
}

/** Nine of ten looks that find nothing are left out. */
function isIdle({ name, answer, clockMs }: Extract<Recorded, { kind: "statement" }>): boolean {
  if (!looks.test(name) || !Array.isArray(answer) || Math.floor(clockMs) % 10 === 0) return false;
  const [row] = answer as readonly Readonly<Record<string, unknown>>[];
  return row === undefined || name === "select-audited" || name === "members-heard";
}

function sorted(rows: readonly string[]): readonly string[] {
  return rows.toSorted();
}
