// Takes what a gateway's spool holds into the ledger, a page with each transaction, which also notes how far that is: it
// may be ended at any moment, and goes on from there.
import { setTimeout as delay } from "node:timers/promises";
import { SluiceError } from "../../../core/errors.ts";
import { crashPoint } from "../../../engine/crash-point.ts";
import type { MovedPage } from "../../../engine/moved.ts";
import type { SpoolSink } from "../../../engine/spool.ts";
import {
  again,
  ConflictError,
  Connection,
  steady,
  UniqueError,
  type Connected,
  type Statement,
} from "../ledger/connection/database.ts";
import { durabilityOf, onlyThePrimary, restsOn, type RestsOnRow } from "../ledger/connection/settings-check.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import { beginLinesOfMoved } from "../ledger/lines.ts";
import { ADD_QUEUES } from "../ledger/schema/migrate.ts";
import { QueueNumbers } from "../ledger/queue-numbers.ts";
import { BEGIN_MOVE, UP_TO } from "./move-in.ts";
import { storeSpooled } from "./spool-page.ts";

const ADVANCE: Statement = {
  name: "spool-advance",
  text: `UPDATE sluice.moves SET up_to = $3 WHERE folder = $1 AND up_to = $2
    RETURNING (extract(epoch FROM now()) * 1000)::float8 AS now`,
};
/** A commit of its own: once it is durable, so is all that was committed before. */
const CONFIRM: Statement = {
  name: "spool-confirm",
  text: `UPDATE sluice.moves SET up_to = up_to WHERE folder = $1 AND up_to >= $2 RETURNING ${restsOn}`,
};
const FORGET: Statement = { name: "spool-forget", text: "DELETE FROM sluice.moves WHERE folder = $1" };

export interface SpoolInOptions {
  readonly databaseUrl: string;
  /** How this process is told to others. */
  readonly name: string;
  /** Whether what only the primary has is not yet safe. */
  readonly needsStandby: boolean;
  /** Tells the carrier of rows that are committed; resolves once it knows, or cannot be told. */
  readonly tell: (rows: readonly OutboxRow[]) => Promise<void>;
}

/** What a carrier has not taken by then workers take from the outbox. */
const tellingMsMax = 1_000;

export class SpoolIn implements SpoolSink {
  readonly #connection: Connection;
  readonly #needsStandby: boolean;
  readonly #numbers = new QueueNumbers();
  readonly #tell: SpoolInOptions["tell"];
  /** One page after the other, so that none overtakes another on its way. */
  #telling: Promise<void> = Promise.resolve();

  constructor({ databaseUrl, name, needsStandby, tell }: SpoolInOptions) {
    this.#connection = new Connection({ databaseUrl, name: `sluice spool, ${name}`, settings: steady });
    this.#needsStandby = needsStandby;
    this.#tell = tell;
  }

  async begin(store: number): Promise<number> {
    await this.#numbers.read(this.#connection);
    await this.#connection.rows(BEGIN_MOVE, [store]);
    const [move] = await this.#connection.rows<{ up_to: number }>(UP_TO, [store]);
    return move?.up_to ?? -1;
  }

  async store(store: number, { requests, upTo }: MovedPage, after: number): Promise<void> {
    await this.#know(new Set(requests.map(({ queue }) => queue)));
    await beginLinesOfMoved(this.#connection, this.#numbers, requests);
    let isAgain = false;
    let rows: readonly OutboxRow[] = [];
    await this.#transaction(async (inside) => {
      const [advanced] = await inside.rows<{ now: number }>(ADVANCE, [store, after, upTo]);
      const page = { requests, queues: this.#numbers, now: advanced?.now ?? 0, isAgain };
      isAgain = true;
      rows = advanced === undefined ? [] : await storeSpooled(inside, page);
      if (advanced !== undefined) return;
      const [move] = await inside.rows<{ up_to: number }>(UP_TO, [store]);
      if (move?.up_to !== upTo) throw wentBack(); // else an earlier try was committed
    });
    crashPoint("page-forwarded");
    this.#telling = this.#telling.then(() => this.#tell(rows)).catch(() => undefined); // workers find them in the outbox
  }

  /** A queue that was never migrated gets its row: its requests have their receipts, and nobody else may wait for them. */
  async #know(queues: ReadonlySet<string>): Promise<void> {
    const missing = [...queues].filter((queue) => this.#numbers.find(queue) === undefined);
    if (missing.length === 0) return;
    await this.#connection.rows(ADD_QUEUES, [missing]);
    await this.#numbers.read(this.#connection);
  }

  async confirm(store: number, upTo: number): Promise<void> {
    await this.#transaction(async (inside) => {
      const [row] = await inside.rows<RestsOnRow & object>(CONFIRM, [store, upTo]);
      if (row === undefined) throw wentBack();
      if (durabilityOf(row) !== "postgres+standby" && this.#needsStandby) throw onlyThePrimary();
    });
    await Promise.race([this.#telling, delay(tellingMsMax, undefined, { ref: false })]);
  }

  async forget(store: number): Promise<void> {
    await this.#connection.rows(FORGET, [store]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#connection[Symbol.asyncDispose]();
  }

  /** Others of the cluster may be in the way, or take a key meanwhile. */
  #transaction(work: (inside: Connected) => Promise<void>): Promise<void> {
    return again(() =>
      this.#connection.transaction(work).catch((error: unknown) => {
        throw error instanceof UniqueError ? new ConflictError(error.message, { cause: error }) : error;
      }),
    );
  }
}

/** A server took over without the last pages: they are read again. */
function wentBack(): SluiceError {
  return new SluiceError("store-unavailable", "the ledger has lost pages of the spool that it had");
}
