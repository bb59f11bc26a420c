// The store of a spool: an embedded engine that only takes requests in, and beside it what reads them out to be
// forwarded. Emptied it has no files, so that what was forwarded is not kept on this disk.
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { SluiceError } from "../../core/errors.ts";
import { crashPoint } from "../../engine/crash-point.ts";
import type { Engine, QueueBounds } from "../../engine/engine.ts";
import type { MovedPage } from "../../engine/moved.ts";
import type { Held, SpoolStore } from "../../engine/spool.ts";
import { openForReading } from "./database.ts";
import { whereIs } from "./examine.ts";
import { openEmbedded } from "./open.ts";
import { Pages } from "./pages.ts";
import { logFileIn, markFileIn, storeFileIn } from "./store-file.ts";

const SELECT_NAMES = "SELECT no, name FROM queues";
/** As the spool charges a request for its place: see core/spool-charge.ts. */
const SELECT_HELD = `
  SELECT queue, count(*) AS count,
    sum(bytes + coalesce(octet_length(headers), 0) + 2 * coalesce(octet_length(key), 0)) AS bytes
  FROM requests WHERE seq <= ? GROUP BY queue`;

export interface SpoolStoreOptions {
  readonly folder: string;
  readonly owner: string;
  readonly queues: readonly QueueBounds[];
  readonly diskFreeMin?: number | undefined;
}

/**
 * Opens the store in a folder. A store whose last commits are gone goes on with what is left, one that cannot be read is set
 * aside and begins again: `damage` says so. Errors: `bad-config`, `folder-owned`, `schema-newer`, as of the embedded engine.
 */
export async function openSpoolStore(options: SpoolStoreOptions): Promise<SpoolStore> {
  const { folder } = options;
  try {
    return await open(options, undefined);
  } catch (error) {
    if (!isDamage(error)) throw error;
    // The mark alone may be ahead: of a file whose end was torn off the rest is whole.
    rmSync(markFileIn(folder), { force: true });
    const damage = `the spool in ${folder} has lost its last commits, and goes on with the requests that are left`;
    return await openWhole(options, damage).catch((second: unknown) => {
      if (!isDamage(second)) throw second;
      const aside = setAside(folder);
      return open(
        options,
        `the spool in ${folder} could not be read: its files are in ${aside} now, and it begins empty`,
      );
    });
  }
}

async function openWhole(options: SpoolStoreOptions, damage: string): Promise<SpoolStore> {
  const store = await open(options, damage);
  try {
    store.assertWhole();
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

function isDamage(error: unknown): error is SluiceError {
  return error instanceof SluiceError && error.code === "store-damaged";
}

async function open(options: SpoolStoreOptions, damage: string | undefined): Promise<EmbeddedSpoolStore> {
  const engine = await openEmbedded({ ...options, isSpool: true });
  try {
    return new EmbeddedSpoolStore(options.folder, engine, damage);
  } catch (error) {
    await engine.close();
    throw error;
  }
}

/** Where they are kept for somebody to look at. */
function setAside(folder: string): string {
  const aside = join(folder, `damaged-${new Date().toISOString().replaceAll(":", "-")}`);
  mkdirSync(aside, { mode: 0o700 });
  for (const file of storeFiles(folder)) {
    try {
      renameSync(file, join(aside, basename(file)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return aside;
}

/** The mark first: without it nothing refuses a store that is not there. */
function storeFiles(folder: string): readonly string[] {
  const file = storeFileIn(folder);
  return [markFileIn(folder), logFileIn(folder), `${file}-shm`, file];
}

class EmbeddedSpoolStore implements SpoolStore {
  readonly engine: Engine;
  readonly identity: number;
  readonly damage: string | undefined;
  readonly #folder: string;
  readonly #db: DatabaseSync;
  readonly #names: ReadonlyMap<number, string>;
  readonly #pages: Pages;

  constructor(folder: string, engine: Engine, damage: string | undefined) {
    this.#folder = folder;
    this.engine = engine;
    this.damage = damage;
    this.#db = openForReading(storeFileIn(folder));
    this.identity = whereIs(this.#db).store;
    const rows = this.#db.prepare(SELECT_NAMES).all();
    this.#names = new Map(rows.map(({ no, name }) => [no as number, name as string]));
    this.#pages = new Pages(this.#db, this.#names);
  }

  page(after: number, share: number): MovedPage | undefined {
    return this.#pages.page(after, share);
  }

  held(upTo = Number.MAX_SAFE_INTEGER): Held {
    const rows = this.#db.prepare(SELECT_HELD).all(upTo);
    return {
      queues: new Map(rows.map(({ queue, count }) => [this.#names.get(Number(queue)) as string, Number(count)])),
      bytes: rows.reduce((sum, { bytes }) => sum + Number(bytes), 0),
    };
  }

  /** Errors: `store-damaged`. */
  assertWhole(): void {
    const found = this.#db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
    if (found === "ok") return;
    throw new SluiceError("store-damaged", `${storeFileIn(this.#folder)} is damaged: ${String(found)}`);
  }

  async empty(): Promise<void> {
    await this[Symbol.asyncDispose]();
    const [mark, ...others] = storeFiles(this.#folder);
    rmSync(mark as string, { force: true });
    crashPoint("spool-emptying");
    for (const file of others) rmSync(file, { force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#db.isOpen) this.#db.close(); // before the writer, whose end empties the log
    await this.engine.close();
  }
}
