// Which of the ledger's servers takes writes: known once for all connections of a process. A server that is a standby, or has
// become one, is passed over; of two that both take writes the one with the newer timeline was promoted last.
import { setTimeout as delay } from "node:timers/promises";
import { Client, type ClientConfig } from "pg";
import { messageOf } from "../../../../core/errors.ts";
import { addressOf, nodesOf } from "../../../../core/server-url.ts";

/** A connection to a server that takes writes. */
export interface Reached {
  readonly client: Client;
  readonly url: string;
  /** Whether a pooler stands in between: then the session behind the connection may be another one with each transaction. */
  readonly isPooled: boolean;
  readonly timeline: number;
}

/** A server that was written to gets so long before the others are asked as well. */
const headStartMs = 500;
/** What was found when none took writes holds for so long. */
const failedKeptMs = 150;
/** Of several servers that take writes, those count that say so within this time of the first. */
const graceMs = 200;

/** The timeline is asked for where there is a choice: not every server that speaks the protocol has one. */
const look = (isChoice: boolean): string =>
  `SELECT pg_backend_pid() AS pid, pg_is_in_recovery() AS in_recovery, current_setting('transaction_read_only') AS read_only, ${
    isChoice ? "CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END" : "NULL"
  } AS timeline`;

interface Look {
  readonly pid: number;
  readonly in_recovery: boolean;
  readonly read_only: string;
  readonly timeline: string | null;
}

export class Primary {
  readonly #urls: readonly string[];
  readonly #leavers = new Set<() => void>();
  /** Where the last connection was made to. */
  #at: string | undefined;
  #isDoubted = false;
  #looking: Promise<Reached> | undefined;

  constructor(databaseUrl: string) {
    this.#urls = nodesOf(databaseUrl);
  }

  /** The server may not be the one any more: it is compared with the others before the next connection. */
  doubt(): void {
    this.#isDoubted = true;
  }

  /** It has refused a write, as it takes none any more: a connection that only reads there would never hear of it. */
  leave(): void {
    this.#isDoubted = true;
    for (const leave of this.#leavers) leave();
  }

  /** `leave` is called when another server takes the writes: what is connected elsewhere is of no use. */
  onMoved(leave: () => void): Disposable {
    this.#leavers.add(leave);
    return { [Symbol.dispose]: () => this.#leavers.delete(leave) };
  }

  /**
   * Asks the other servers whether one of them takes the writes by now, when the one in use does not respond. Where there is
   * one, all connections leave. Never rejects.
   */
  async lookAround(config: ClientConfig): Promise<void> {
    if (this.#urls.length === 1) return;
    this.doubt();
    try {
      await (await this.connect(config)).client.end();
    } catch {
      // None takes writes now: the next connection asks again.
    }
  }

  /** While it is not known which server takes writes, one connection looks for it and the others wait for what it finds. */
  async connect(config: ClientConfig): Promise<Reached> {
    for (;;) {
      const at = this.#isDoubted ? undefined : this.#at;
      if (at !== undefined) {
        const reached = await this.#early(this.#open(at, config));
        if (reached !== undefined) return reached;
        this.doubt();
      } else if (this.#looking === undefined) return this.#look(config);
      else await this.#looking;
    }
  }

  #look(config: ClientConfig): Promise<Reached> {
    const looking = this.#compare(config);
    this.#looking = looking;
    const over = (): void => void (this.#looking = undefined);
    // Where none takes writes nobody asks again for a moment: a server that is being promoted has other things to do.
    looking.then(over, () => setTimeout(over, failedKeptMs).unref());
    return looking;
  }

  async #compare(config: ClientConfig): Promise<Reached> {
    const before = this.#at;
    const reached = await newestOf(
      this.#urls.map((url) => this.#open(url, config)),
      before,
    );
    this.#at = reached.url;
    this.#isDoubted = false;
    if (before !== undefined && before !== reached.url) for (const leave of this.#leavers) leave();
    return reached;
  }

  /** Undefined when it fails, or has not come within the head start: then it is closed once it comes. */
  async #early(opening: Promise<Reached>): Promise<Reached | undefined> {
    if (this.#urls.length === 1) return opening.catch(() => undefined);
    const early = await Promise.race([opening.catch(() => undefined), delay(headStartMs, undefined, { ref: false })]);
    if (early === undefined)
      opening.then(
        ({ client }) => void client.end().catch(() => undefined),
        () => undefined,
      );
    return early;
  }

  async #open(url: string, config: ClientConfig): Promise<Reached> {
    const client = new Client({ ...config, connectionString: url });
    client.on("error", () => undefined); // told by whatever is asked of it
    try {
      await client.connect();
      const { rows } = await client.query<Look & object>(look(this.#urls.length > 1));
      const { pid, in_recovery, read_only, timeline } = rows[0] as Look;
      if (in_recovery) throw new Error("it is a standby, which takes no writes");
      if (read_only === "on") throw new Error("it is read-only");
      return { client, url, isPooled: pid !== processOf(client), timeline: Number.parseInt(timeline ?? "0", 16) };
    } catch (error) {
      void client.end().catch(() => undefined); // it never was of use
      if (this.#urls.length === 1) throw error;
      throw new Error(`${addressOf(url)}: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** The number of its process on the server, or one that a pooler made up. Its types leave it out. */
export function processOf(client: Client & { readonly processID?: number | null }): number | undefined {
  return client.processID ?? undefined;
}

/**
 * Of those that take writes the one with the newest timeline. Of several that have it the one in use, or else the first that the URL
 * names, in all processes alike. The others are closed.
 */
async function newestOf(opening: readonly Promise<Reached>[], preferred: string | undefined): Promise<Reached> {
  const reached = opening.map((): Reached | undefined => undefined);
  const all = opening.map(async (one, place) => (reached[place] = await one));
  try {
    await Promise.any(all);
  } catch (error) {
    if (error instanceof AggregateError) throw new Error(error.errors.map(messageOf).join("; "), { cause: error });
    throw error;
  }
  if (reached.includes(undefined))
    await Promise.race([Promise.allSettled(all), delay(graceMs, undefined, { ref: false })]);
  const worthOf = ({ timeline, url }: Reached): number => 2 * timeline + Number(url === preferred);
  const newest = reached
    .filter((one) => one !== undefined)
    .reduce((one, other) => (worthOf(other) > worthOf(one) ? other : one));
  for (const one of opening)
    one.then(
      ({ client }) => client !== newest.client && void client.end().catch(() => undefined),
      () => undefined,
    );
  return newest;
}
