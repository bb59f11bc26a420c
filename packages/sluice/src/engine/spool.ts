// What a spool is made of: a store of this machine that keeps requests while the ledger is out, and the ledger's side,
// which takes them page by page. One engine implements each; the spool knows neither of them.
import type { Engine } from "./engine.ts";
import type { MovedPage } from "./moved.ts";

export interface SpoolStore extends AsyncDisposable {
  /** Takes requests in. Nothing is delivered from it. */
  readonly engine: Engine;
  /** By which the ledger knows how far this store is forwarded. An emptied one comes back with another. */
  readonly identity: number;
  /** What was found wrong with its files and how it goes on; undefined when they were whole. */
  readonly damage: string | undefined;
  /** The requests that follow, in the order of acceptance, in a page of that share; undefined behind the last one. */
  page(after: number, share: number): MovedPage | undefined;
  /** What is stored up to there; all of it unless given. */
  held(upTo?: number): Held;
  /** Closes it and removes its files: all of it is in the ledger. Dead on the way, it comes back whole or empty. */
  empty(): Promise<void>;
}

export interface Held {
  /** Requests of each queue that has any. */
  readonly queues: ReadonlyMap<string, number>;
  /** Of their bodies, keys and headers. */
  readonly bytes: number;
}

export interface SpoolSink extends AsyncDisposable {
  /** How far the store is forwarded; -1 before its first page. Errors: `store-unavailable`, as of all that follow. */
  begin(store: number): Promise<number>;
  /**
   * Stores the page, all of it or nothing, and once however often it is called. A request whose key has another request
   * becomes its alias when both say the same, and is dead as `key-reused` when they do not. The page follows `after`.
   */
  store(store: number, page: MovedPage, after: number): Promise<void>;
  /**
   * Resolves once all pages up to there are as durable as the ledger's receipts, and on their way to the workers if they
   * can be: what is accepted next comes behind them.
   */
  confirm(store: number, upTo: number): Promise<void>;
  /** The store is empty: it comes back with another identity. */
  forget(store: number): Promise<void>;
}
