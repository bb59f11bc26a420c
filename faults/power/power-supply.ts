// The power of a folder's disk: processes that are started with `env` have it, and lose it all at the same moment, with
// what they had not synced. Owns the shim's library and its journal.
import {
  chmodSync,
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Random } from "../../packages/sluice/src/core/seeded-random.ts";
import { readJournal } from "./journal.ts";
import { inodeOf, undoNaming } from "./names.ts";
import { loseUnsynced, type KeepChanges, type PagedFile } from "./pages.ts";
import { buildShim } from "./shim.ts";
import { unsyncedOf, type NamesDurableBy } from "./unsynced.ts";

export interface PowerSupplyOptions {
  /** All that lies in it is watched. */
  readonly folder: string;
  /** On the same disk as the folder, and not in it; everybody who is to have the power must be able to reach it. */
  readonly journalFolder: string;
  readonly namesDurableBy: NamesDurableBy;
}

/**
 * What becomes of what no sync covers. `dropped`: all of it is lost. `torn`: of each page some of its changes, from
 * none to all, are on the disk, by chance; so are the first ones of the changes of names.
 */
export type Survival = { readonly kind: "dropped" } | { readonly kind: "torn"; readonly random: Random };

export interface Loss {
  /** Calls that were written down: none means that the shim was not there. */
  readonly calls: number;
  /** Syncs that came to their end. */
  readonly syncs: number;
  readonly pagesUnsynced: number;
  readonly pagesLost: number;
  /** What was created, renamed or deleted, and is not any more. */
  readonly names: readonly string[];
  /** Files that lost pages. */
  readonly files: readonly string[];
}

export class PowerSupply implements AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  readonly #folder: string;
  readonly #journalFolder: string;
  readonly #namesDurableBy: NamesDurableBy;
  readonly #resources: AsyncDisposableStack;

  static async open(options: PowerSupplyOptions): Promise<PowerSupply> {
    await using resources = new AsyncDisposableStack();
    const shim = resources.use(await buildShim());
    resources.defer(() => rmSync(options.journalFolder, { recursive: true, force: true }));
    return new PowerSupply(options, shim.path, resources.move());
  }

  private constructor(
    { folder, journalFolder, namesDurableBy }: PowerSupplyOptions,
    shim: string,
    resources: AsyncDisposableStack,
  ) {
    this.#folder = realpathSync(folder);
    this.#journalFolder = journalFolder;
    this.#namesDurableBy = namesDurableBy;
    this.#resources = resources;
    this.env = { LD_PRELOAD: shim, POWER_FOLDER: this.#folder, POWER_JOURNAL: journalFolder };
    this.#begin();
  }

  /** The environment of a life that loses its power while the file of this name is synced for the nth time. */
  envUntilSync(name: string, nth: number): Readonly<Record<string, string>> {
    return { ...this.env, POWER_CUT_AT: `${name}:${nth}` };
  }

  /** From now on no call of any process takes effect on the folder: who tries is killed. */
  cut(): void {
    writeFileSync(join(this.#journalFolder, "switch"), "1");
  }

  /** Once nobody runs any more: sets the folder back to what its disk has, and gives the next ones power. */
  restore(survival: Survival): Loss {
    const records = readJournal(join(this.#journalFolder, "journal"));
    const { changes, namings, mapped } = unsyncedOf(records, this.#namesDurableBy);
    const keep: KeepChanges = survival.kind === "dropped" ? () => 0 : (count) => survival.random.between(0, count);
    const namesLost = namings.slice(keep(namings.length)).toReversed();
    namesLost.forEach(undoNaming);
    let [pagesUnsynced, pagesLost] = [0, 0];
    const files: string[] = [];
    for (const path of filesIn(this.#folder)) {
      const inode = inodeOf(path) ?? 0n;
      const ofFile = changes.get(inode) ?? [];
      if (mapped.has(inode)) writeFileSync(path, "");
      else if (ofFile.length > 0) {
        const { unsynced, lost } = withFile(path, (file) => loseUnsynced(file, ofFile, keep));
        pagesUnsynced += unsynced;
        pagesLost += lost;
        if (lost > 0) files.push(path);
      }
    }
    this.#begin();
    const syncs = records.filter(({ kind }) => kind === "synced").length;
    return { calls: records.length, syncs, pagesUnsynced, pagesLost, names: namesLost.map(({ path }) => path), files };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#resources.disposeAsync();
  }

  /** An empty journal, for whoever they run as. */
  #begin(): void {
    rmSync(this.#journalFolder, { recursive: true, force: true });
    mkdirSync(join(this.#journalFolder, "held"), { recursive: true });
    writeFileSync(join(this.#journalFolder, "switch"), "0");
    writeFileSync(join(this.#journalFolder, "journal"), "");
    for (const [name, mode] of [
      [".", 0o755],
      ["held", 0o777],
      ["journal", 0o666],
      ["switch", 0o666],
    ] as const)
      chmodSync(join(this.#journalFolder, name), mode);
  }
}

function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}

function withFile<Value>(path: string, use: (file: PagedFile) => Value): Value {
  const descriptor = openSync(path, "r+");
  try {
    return use({
      size: fstatSync(descriptor).size,
      read(offset, length) {
        const bytes = Buffer.alloc(length);
        readSync(descriptor, bytes, 0, length, offset);
        return bytes;
      },
      write: (offset, bytes) => void writeSync(descriptor, bytes, 0, bytes.length, offset),
      resize: (size) => ftruncateSync(descriptor, size),
    });
  } finally {
    closeSync(descriptor);
  }
}
