// Connections to the ledger. Each speaks to the server alone and comes back by itself; what it was doing when it was
// lost fails as unavailable.
import { Client, type QueryConfig, type QueryResult, type QueryResultRow } from "pg";
import { messageOf, SluiceError } from "../../core/errors.ts";
import type { SqlResult } from "../../engine/engine.ts";

/** A statement is prepared once for each connection, under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

export interface ConnectionOptions {
  readonly databaseUrl: string;
  /** Shown in pg_stat_activity. */
  readonly name: string;
  /** Settings of the session. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Runs on each new connection before anything else. */
  readonly onConnect?: ((connection: Connected) => Promise<void>) | undefined;
}

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

/** One after the other: a session does one thing at a time, and its client queues nothing. */
class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined); // told to whoever took the turn
    return turn;
  }
}

export class Connection implements Connected, AsyncDisposable {
  readonly #options: ConnectionOptions;
  readonly #turns = new Turns();
  #client: Client | undefined;
  #connecting: Promise<Client> | undefined;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  async rows<Row extends QueryResultRow>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    const config: QueryConfig = { ...statement, values: [...values] };
    const { rows } = await this.#turns.take(() => this.#sent((client) => client.query<Row>(config)));
    return rows;
  }

  async script(text: string): Promise<void> {
    await this.#turns.take(() => this.#sent((client) => client.query(text)));
  }

  async query(text: string, values: readonly unknown[] = []): Promise<SqlResult> {
    return this.#turns.take(async () => {
      const client = this.#client ?? (await this.#connect());
      return resultOf(await client.query<QueryResultRow>(text, [...values]));
    });
  }

  /**
   * Runs the work between BEGIN and COMMIT, on one and the same session; all else that is asked of the connection waits.
   * A session that went on the way is told as lost, whatever the work made of it.
   */
  transaction<Value>(work: (inside: Connected) => Promise<Value>, begin = "BEGIN"): Promise<Value> {
    return this.#turns.take(() => this.#transact(work, begin));
  }

  async #transact<Value>(work: (inside: Connected) => Promise<Value>, begin: string): Promise<Value> {
    const client = this.#client ?? (await this.#connect());
    const inside = new Inside(client);
    try {
      await inside.script(begin);
      const value = await work(inside);
      await inside.script("COMMIT");
      return value;
    } catch (error) {
      await inside.script("ROLLBACK").catch(() => this.#drop(client)); // a lost session rolls back by itself
      throw inside.lost ?? error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    const client = this.#client ?? (await this.#connecting?.catch(() => undefined));
    this.#drop();
    await client?.end().catch(() => undefined); // gone already: what was to be said goodbye to
  }

  async #sent<Value>(send: (client: Client) => Promise<Value>): Promise<Value> {
    const client = this.#client ?? (await this.#connect());
    try {
      return await send(client);
    } catch (error) {
      const failure = failureOf(error);
      if (failure instanceof LostError) {
        failure.session = sessionOf(client);
        this.#drop(client);
      }
      throw failure;
    }
  }

  #connect(): Promise<Client> {
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(): Promise<Client> {
    const { databaseUrl, name, settings = {}, onConnect } = this.#options;
    const client = new Client({
      connectionString: databaseUrl,
      application_name: name,
      connectionTimeoutMillis: connectMsMax,
      query_timeout: statementMsMax,
      keepAlive: true,
    });
    client.on("error", () => this.#drop(client)); // told to whoever uses it next
    client.on("end", () => this.#drop(client));
    try {
      if (this.#isClosed) throw new Error("the engine is closed");
      await client.connect();
      for (const [setting, value] of Object.entries(settings)) await client.query(`SET ${setting} = ${value}`);
      await onConnect?.(new Inside(client));
    } catch (error) {
      void client.end().catch(() => undefined); // it never was of use
      throw new SluiceError("store-unavailable", `PostgreSQL cannot be reached: ${messageOf(error)}`, { cause: error });
    }
    this.#client = client;
    return client;
  }

  #drop(client = this.#client): void {
    if (client === undefined || this.#client !== client) return;
    this.#client = undefined;
    if (!this.#isClosed) void client.end().catch(() => undefined); // its socket is dead or about to be
  }
}

/** The number of its process on the server. Its types leave it out. */
function sessionOf(client: Client & { readonly processID?: number | null }): number | undefined {
  return client.processID ?? undefined;
}

/** One session, for as long as it lasts. */
class Inside implements Connected {
  readonly #client: Client;
  readonly #turns = new Turns();
  lost: LostError | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  async rows<Row extends QueryResultRow>(statement: Statement, values: readonly unknown[] = []): Promise<Row[]> {
    return (await this.#sent(() => this.#client.query<Row>({ ...statement, values: [...values] }))).rows;
  }

  async script(text: string): Promise<void> {
    await this.#sent(() => this.#client.query(text));
  }

  async query(text: string, values: readonly unknown[] = []): Promise<SqlResult> {
    try {
      return resultOf(await this.#turns.take(() => this.#client.query<QueryResultRow>(text, [...values])));
    } catch (error) {
      this.#note(failureOf(error));
      throw error;
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
    if (failure instanceof LostError) this.lost ??= failure;
  }
}

function resultOf({ rows, rowCount }: QueryResult<QueryResultRow>): SqlResult {
  return { rows, rowCount: rowCount ?? rows.length };
}

/** SQLSTATEs after which the same statement may go through: the connection, the server or its room is at fault. */
const unavailable = /^(08|53|57|58|25006|55P03|XX)/;
const fatal = new Set<unknown>(["FATAL", "PANIC"]);
const conflicts = new Set(["40001", "40P01"]);

/** The connection went while a statement was under way: whether it took is not known. */
export class LostError extends SluiceError {
  /** The server's process, which may be at the statement still. */
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
