// Effect and outcome in one transaction: the handler's statements and the outcome's commit together or not at all.
import type { Claim, FinalState, Outcome } from "../../../core/request.ts";
import type { SettleResult, TransactedWork } from "../../../engine/engine.ts";
import {
  beginHandlersWork,
  type Connected,
  type Connection,
  type Inside,
  type Statement,
} from "./connection/database.ts";
import { settleInside } from "./settle.ts";
import type { StoreClock } from "./connection/store-clock.ts";

export interface TransactOptions {
  readonly transactions: ConnectionPool;
  readonly clock: StoreClock;
  readonly member: () => number;
}

export interface Transacted {
  readonly result: SettleResult | "rolled-back";
  /** The final state, when it was this call that settled. */
  readonly state: FinalState | undefined;
}

/** Thrown inside a transaction to undo it; carries what the caller is told. */
class Undone extends Error {
  readonly result: "superseded" | "rolled-back";

  constructor(result: "superseded" | "rolled-back") {
    super(result);
    this.result = result;
  }
}

export async function transact(claim: Claim, work: TransactedWork, options: TransactOptions): Promise<Transacted> {
  const connection = options.transactions.take();
  try {
    const outcome = await connection.transaction(
      (inside) => workInside(inside, { claim, work, options }),
      beginHandlersWork,
    );
    return { result: "settled", state: outcome.kind };
  } catch (error) {
    if (error instanceof Undone) return { result: error.result, state: undefined };
    throw error;
  } finally {
    options.transactions.giveBack(connection);
  }
}

async function workInside(
  inside: Inside,
  { claim, work, options }: { claim: Claim; work: TransactedWork; options: TransactOptions },
): Promise<Outcome> {
  const outcome = await work({ query: (text, values) => inside.query(text, values) });
  if (outcome === undefined) throw new Undone("rolled-back");
  await inside.endHandlersWork();
  const isSettled = await settleInside(inside, { claim, outcome }, options);
  if (!isSettled) throw new Undone("superseded"); // I3: the effect goes with the outcome
  return outcome;
}

const CANCEL: Statement = { name: "cancel-backend", text: "SELECT pg_cancel_backend($1)" };

/** What a handler has left running on the server when its attempt was over. */
export async function cancelBackend(connection: Connected, backend: number): Promise<void> {
  await connection.rows(CANCEL, [backend]);
}

/** Connections for transactions, as many as run at once; those that are free wait for the next. */
export class ConnectionPool implements AsyncDisposable {
  readonly #open: () => Connection;
  readonly #free: Connection[] = [];
  readonly #all = new Set<Connection>();

  constructor(open: () => Connection) {
    this.#open = open;
  }

  take(): Connection {
    const connection = this.#free.pop() ?? this.#open();
    this.#all.add(connection);
    return connection;
  }

  giveBack(connection: Connection): void {
    this.#free.push(connection);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#all].map((connection) => connection[Symbol.asyncDispose]()));
  }
}
