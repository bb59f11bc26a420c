// Connections to the ledger. Each speaks to the server alone and comes back by itself, to the server that takes writes by
// then; what it was doing when it was lost fails as unavailable. A commit counts once the server has done all that it is set
// to do: one that gave up waiting for its standby is as little known as one whose answer was lost.
import { setTimeout as delay } from "node:timers/promises";
import type { Client, QueryConfig, QueryResult, QueryResultRow } from "pg";
import { messageOf, SluiceError } from "../../../../core/errors.ts";
import type { SqlResult } from "../../../../engine/engine.ts";
import { Primary, processOf, type Reached } from "./primary.ts";

/** A statement is prepared once for each connection, under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export interface ConnectionOptions {
  readonly databaseUrl: string;
  /** Shared with the other connections of the process; one of its own unless given. */
  readonly primary?: Primary | undefined;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  /** Settings of the session. A pooler has none to set. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /**
   * For transactions that handlers work in: their statements take as long as their attempt may. What runs when the transaction is
   * given up is cancelled on the server, by this.
   */
  readonly cancel?: ((backend: number) => Promise<void>) | undefined;
  /** Runs on each new connection before anything else. */
  readonly onConnect?: ((connection: Connected) => Promise<void>) | undefined;
}

/** Plans are made once: the statements are the same each time, and planning costs more than they do. */
export const steady = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  jit: "off",
};

/** What a statement may be sent to. */
export interface Connected {
  rows<Row extends QueryResultRow>(statement: Statement, values?: readonly unknown[]): Promise<Row[]>;
  /** Statements without values, one after the other. */
  script(text: string): Promise<void>;
  /** A statement of somebody else's, not prepared; its failure is the server's own words. */
  query(text: string, values?: readonly unknown[]): Promise<SqlResult>;
}

const connectMsMax = 5_000;
/** Longer than any statement here takes; a server that is silent for longer is taken for gone. */
const statementMsMax = 15_000;
/** The server cancels a statement so long before its client gives up: what it says then is certain. A commit it never cancels. */
const cancelledEarlierMs = 1_000;
/** A cancel may come between two statements. */
const cancelAgainMs = 100;
/** As long as a timer can be: of a handler's statement its attempt is the bound. */
const unboundedMs = 2 ** 31 - 1;
const handlersSettings = {
  statement_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  client_connection_check_interval: "10000",
};
/** Of every session: without the first of them nothing tells that a commit did not wait for its standby. */
const sessionSettings = {
  client_min_messages: "warning",
  statement_timeout: String(statementMsMax - cancelledEarlierMs),
  // A client that was stopped in the middle of a transaction, or vanished without a word, holds no locks for long.
  idle_in_transaction_session_timeout: "10000",
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
};

/** One after the other: a session does one thing at a time, and its client queues nothing. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined); // told to whoever took the turn
    return turn;
  }

  /** Resolves once those that were taken by now are over. */
  async over(): Promise<void> {
    await this.#last;
  }
}

export class Connection implements Connected, AsyncDisposable {
  readonly #options: ConnectionOptions;
  readonly #primary: Primary;
  readonly #leaving: Disposable;
  readonly #turns = new Turns();
  #wire: Wire | undefined;
  #connecting: Promise<Wire> | undefined;
  #connects = 0;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#primary = options.primary ?? new Primary(options.databaseUrl);
    this.#leaving = this.#primary.onMoved(() => this.#drop());
  }

  /** Grows with each session: what two statements say is of one server if it is the same before and after. */
  get connects(): number {
    return this.#connects;
  }

  async rows<Row extends QueryResultRow>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    const { rows } = await this.#turns.take(() => this.#sent((wire) => wire.rows<Row>(statement, values)));
    return rows;
  }

  async script(text: string): Promise<void> {
    await this.#turns.take(() => this.#sent((wire) => wire.query(text)));
  }

  async query(text: string, values: readonly unknown[] = []): Promise<SqlResult> {
    return this.#turns.take(async () => {
      const wire = this.#wire ?? (await this.#connect());
      return resultOf(await wire.queryForeign(text, values));
    });
  }

  /**
   * Runs the work between BEGIN and COMMIT, on one and the same session; all else that is asked of the connection waits.
   * A session that went on the way is told as lost, whatever the work made of it.
   */
  transaction<Value>(work: (inside: Inside) => Promise<Value>, begin = "BEGIN"): Promise<Value> {
    return this.#turns.take(() => this.#transact(work, begin));
  }

  async #transact<Value>(work: (inside: Inside) => Promise<Value>, begin: string): Promise<Value> {
    const wire = this.#wire ?? (await this.#connect());
    const inside = new Inside(wire);
    try {
      await inside.script(begin);
      if (this.#options.cancel !== undefined) await wire.learnBackend();
      const value = await work(inside);
      await inside.script("COMMIT");
      return value;
    } catch (error) {
      try {
        await this.#cancel(inside, wire);
        await inside.script("ROLLBACK");
      } catch {
        this.#drop(wire); // a lost session rolls back by itself
      }
      // A handler may have done to its session what no rollback undoes.
      if (this.#options.cancel !== undefined) this.#drop(wire);
      this.#heed(wire, inside.failure);
      throw inside.failure instanceof LostError ? inside.failure : error;
    }
  }

  /** Ends what a handler has left running: of several statements each begins as the one before it ends. */
  async #cancel(inside: Inside, { backend }: Wire): Promise<void> {
    const { cancel } = this.#options;
    if (cancel === undefined || backend === undefined) return;
    const giveUpAt = performance.now() + statementMsMax;
    while (inside.isBusy) {
      if (performance.now() > giveUpAt) throw new Error("a handler's statement goes on though it was cancelled");
      await cancel(backend);
      await Promise.race([inside.over(), delay(cancelAgainMs, undefined, { ref: false })]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#leaving[Symbol.dispose]();
    const wire = this.#wire ?? (await this.#connecting?.catch(() => undefined));
    this.#drop();
    await wire?.client.end().catch(() => undefined); // gone already: what was to be said goodbye to
  }

  async #sent<Value>(send: (wire: Wire) => Promise<Value>): Promise<Value> {
    const wire = this.#wire ?? (await this.#connect());
    try {
      return await send(wire);
    } catch (error) {
      const failure = failureOf(error);
      this.#heed(wire, failure);
      throw failure;
    }
  }

  /** What the failure says of the connection, and of the server. */
  #heed(wire: Wire, failure: Error | undefined): void {
    if (failure === undefined) return;
    if (isReadOnly(failure)) this.#primary.leave();
    if (!(failure instanceof LostError)) return;
    failure.session = wire.backend;
    this.#drop(wire);
    this.#primary.doubt();
  }

  #connect(): Promise<Wire> {
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(): Promise<Wire> {
    const { name, settings, onConnect, cancel } = this.#options;
    let reached: Reached | undefined;
    try {
      if (this.#isClosed) throw new Error("the engine is closed");
      reached = await this.#primary.connect({
        application_name: name,
        connectionTimeoutMillis: connectMsMax,
        query_timeout: statementMsMax,
        keepAlive: true,
      });
      const wire = new Wire(reached, { ...sessionSettings, ...(cancel && handlersSettings), ...settings });
      await wire.set();
      reached.client.on("error", () => this.#drop(wire)); // told to whoever uses it next
      reached.client.on("end", () => this.#drop(wire));
      await onConnect?.(new Inside(wire));
      this.#wire = wire;
      this.#connects += 1;
      return wire;
    } catch (error) {
      void reached?.client.end().catch(() => undefined); // it never was of use
      throw new SluiceError("store-unavailable", `PostgreSQL cannot be reached: ${messageOf(error)}`, { cause: error });
    }
  }

  #drop(wire = this.#wire): void {
    if (wire === undefined || this.#wire !== wire) return;
    this.#wire = undefined;
    if (!this.#isClosed) void wire.client.end().catch(() => undefined); // its socket is dead or about to be
  }
}

export type Reading = Pick<Connected, "rows">;
/** What reads as everybody does, and changes things in transactions alone. */
export interface Changing extends Reading {
  transaction<Value>(work: (inside: Connected) => Promise<Value>): Promise<Value>;
}

/** One session with a server. */
class Wire {
  readonly client: Client;
  readonly #isPooled: boolean;
  readonly #settings: Readonly<Record<string, string>>;
  /** The server's process that does the work of the transaction. */
  backend: number | undefined;
  /** What the server said of a commit that it did not wait for. */
  #warning: string | undefined;

  constructor({ client, isPooled }: Reached, settings: Readonly<Record<string, string>>) {
    this.client = client;
    this.#isPooled = isPooled;
    this.#settings = settings;
    this.backend = isPooled ? undefined : processOf(client);
    client.on("notice", ({ routine, message }) => {
      // Its words depend on the server's language; the place in its code does not.
      if (routine === "SyncRepWaitForLSN") this.#warning = message;
    });
  }

  /** A pooler gives each transaction another session: what was prepared in one is not known in the next. */
  rows<Row extends QueryResultRow>({ name, text }: Statement, values: readonly unknown[]): Promise<QueryResult<Row>> {
    const config: QueryConfig = { text, values: [...values] };
    return this.#heeding(this.client.query<Row>(this.#isPooled ? config : { ...config, name }));
  }

  query(text: string): Promise<QueryResult<QueryResultRow>> {
    return this.#heeding(this.client.query(text));
  }

  /** A statement of somebody else's. */
  queryForeign(
    text: string,
    values: readonly unknown[],
    timeoutMs = statementMsMax,
  ): Promise<QueryResult<QueryResultRow>> {
    // One statement: of several the driver would make a result of another kind. Its types leave these two out.
    const config = { text, values: [...values], queryMode: "extended", query_timeout: timeoutMs };
    return this.#heeding(this.client.query(config));
  }

  /** What is set by session is as it is to be. With a pooler that is as the role has it: the next transaction may be another's. */
  async set(): Promise<void> {
    const settings = this.#isPooled ? [] : Object.entries(this.#settings);
    await this.query(["RESET ALL", ...settings.map(([setting, value]) => `SET ${setting} = ${value}`)].join("; "));
  }

  /** Inside a transaction: with a pooler each has another one. */
  async learnBackend(): Promise<void> {
    if (!this.#isPooled) return;
    const { rows } = await this.client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    this.backend = rows[0]?.pid;
  }

  /** What is committed here may be lost with this server: whether the standby has it is not known. */
  async #heeding<Value>(answer: Promise<Value>): Promise<Value> {
    const value = await answer;
    const warning = this.#warning;
    if (warning === undefined) return value;
    this.#warning = undefined;
    throw new LostError(new Error(warning));
  }
}

/** Begins a transaction that a handler works in; `endHandlersWork` ends its part. */
export const beginHandlersWork = "BEGIN; SAVEPOINT handlers_work";

/** One session, for as long as it lasts. */
export class Inside implements Connected {
  readonly #wire: Wire;
  readonly #turns = new Turns();
  #asked = 0;
  /** The first one that says something of the session; of several its loss. */
  failure: Error | undefined;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Whether a statement of a handler's is under way, or waits for its turn. */
  get isBusy(): boolean {
    return this.#asked > 0;
  }

  over(): Promise<void> {
    return this.#turns.over();
  }

  /**
   * What the handler set, listens to or keeps in temporary tables, its role and its cursors end with its work: the
   * commit uses none of it. Rejects when it has ended the transaction itself: its effect and the outcome would not be one.
   */
  async endHandlersWork(): Promise<void> {
    // With the session's authorization its role is reset as well.
    await this.script(
      "RELEASE SAVEPOINT handlers_work; RESET SESSION AUTHORIZATION; CLOSE ALL; UNLISTEN *; DISCARD TEMP",
    );
    await this.#sent(() => this.#wire.set());
  }

  async rows<Row extends QueryResultRow>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#sent(() => this.#wire.rows<Row>(statement, values))).rows;
  }

  async script(text: string): Promise<void> {
    await this.#sent(() => this.#wire.query(text));
  }

  async query(text: string, values: readonly unknown[] = []): Promise<SqlResult> {
    try {
      this.#asked += 1;
      return resultOf(await this.#turns.take(() => this.#wire.queryForeign(text, values, unboundedMs)));
    } catch (error) {
      const failure = failureOf(error);
      if (failure instanceof LostError) this.#note(failure); // all else is between the handler and the server
      throw error;
    } finally {
      this.#asked -= 1;
    }
  }

  async #sent<Value>(send: () => Promise<Value>): Promise<Value> {
    try {
      return await this.#turns.take(send);
    } catch (error) {
      const failure = failureOf(error);
      this.#note(failure);
      throw failure;
    }
  }

  #note(failure: Error): void {
    if (failure instanceof LostError || (this.failure === undefined && isReadOnly(failure))) this.failure = failure;
  }
}

function resultOf({ rows, rowCount }: QueryResult<QueryResultRow>): SqlResult {
  return { rows, rowCount: rowCount ?? rows.length };
}

/** SQLSTATEs after which the same statement may go through: the connection, the server or its room is at fault. */
const unavailable = /^(08|53|57|58|25006|55P03|XX)/;
const fatal = new Set<unknown>(["FATAL", "PANIC"]);
const conflicts = new Set(["40001", "40P01"]);

/** The server takes no writes any more. */
function isReadOnly({ cause }: Error): boolean {
  return sqlState(cause) === "25006";
}

/** The connection went while a statement was under way, or the server answered early: whether it took is not known. */
export class LostError extends SluiceError {
  /** The server's process, which may be at the statement still. Undefined behind a pooler. */
  session: number | undefined;

  constructor(cause: unknown) {
    super("store-unavailable", `PostgreSQL went away: ${messageOf(cause)}`, { cause });
  }
}

/** Another transaction was in the way: the same again may go through at once. */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}

/** Another transaction in the way is no reason to give up. */
export async function again<Value>(work: () => Promise<Value>): Promise<Value> {
  for (let round = 1; ; round += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ConflictError) || round === 20) throw error;
    }
  }
}

/** A unique constraint refused a row. */
export class UniqueError extends Error {
  override readonly name = "UniqueError";
}

function failureOf(error: unknown): SluiceError | ConflictError | UniqueError {
  if (error instanceof SluiceError) return error;
  const code = sqlState(error);
  if (code === undefined) return new LostError(error);
  const message = messageOf(error);
  if (code === "53100")
    return new SluiceError("disk-full", `PostgreSQL has no room left: ${message}`, { cause: error });
  if (conflicts.has(code) || (code === "23514" && !isOfConstraint(error)))
    return new ConflictError(message, { cause: error });
  if (code === "23505") return new UniqueError(message, { cause: error });
  if (unavailable.test(code)) {
    return new SluiceError("store-unavailable", `PostgreSQL cannot be used now: ${message}`, { cause: error });
  }
  return new SluiceError("internal", `PostgreSQL refused a statement: ${message} (${code})`, { cause: error });
}

/** Otherwise it is a partition's: the row waited for the default one while its day got one of its own. */
function isOfConstraint(error: unknown): boolean {
  return error instanceof Error && "constraint" in error && error.constraint !== undefined;
}

/** A data exception, a NULL where none may be, a value beyond the server's limits: the statement fails for what it carries. */
const valueErrors = /^(22|23502|54)/;
const writingErrors: ReadonlySet<unknown> = new Set(["ERR_INVALID_ARG_TYPE", "ERR_OUT_OF_RANGE"]);

/** What a statement was refused for, if that is a value of it which the ledger will never hold (I10). */
export function refusalOf(error: unknown): SluiceError | undefined {
  if (!(error instanceof Error)) return undefined;
  const isRefused =
    error instanceof SluiceError
      ? error.code === "internal" && valueErrors.test(sqlState(error.cause) ?? "")
      : "code" in error && writingErrors.has(error.code);
  if (!isRefused) return undefined;
  return new SluiceError("value-refused", `the store cannot hold a value of this call: ${messageOf(error)}`, {
    cause: error,
  });
}

/** Undefined when the failure is not the server's answer to the statement but the connection's end. */
function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error && "code" in error && "severity" in error)) return undefined;
  return typeof error.code === "string" && !fatal.has(error.severity) ? error.code : undefined;
}
