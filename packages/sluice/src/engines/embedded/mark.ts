// How far the store was, in a file beside it. A database cannot tell that it is an older one, or that its log is gone: the
// mark can. It is written after each commit, without a sync of its own, so it is never ahead of what is on the disk. After a
// loss of power it may be behind, by what the system had not written yet: then it refuses less.
import { closeSync, constants, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { messageOf, SluiceError } from "../../core/errors.ts";
import { markFileIn, privateMode } from "./store-file.ts";

export interface MarkContent {
  /** The number by which the store knows itself; 0 until it has one. */
  readonly store: number;
  /** The schema cookie of the database file under its log; 0 when that is not known. Each start changes it. */
  readonly cookie: number;
  /** Changes of the store since it began. */
  readonly position: number;
}

/** One sector: it is written as a whole or not at all. */
const bytes = 128;

export class Mark {
  readonly #descriptor: number;
  #start: Omit<MarkContent, "position">;
  #position: number;

  /** Writes it and syncs it. */
  constructor(folder: string, { position, ...start }: MarkContent) {
    this.#descriptor = openSync(markFileIn(folder), constants.O_RDWR | constants.O_CREAT, privateMode);
    this.#start = start;
    this.#position = position;
    this.#write();
    fsyncSync(this.#descriptor);
  }

  /** The store has committed up to here. */
  note(position: number): void {
    if (position === this.#position) return;
    this.#position = position;
    this.#write();
  }

  get cookie(): number {
    return this.#start.cookie;
  }

  /** Another program has changed the schema: the cookie of the database file is not known any more. */
  forgetCookie(): void {
    this.#start = { ...this.#start, cookie: 0 };
    this.#write();
  }

  /** With the last commit that was noted: one that failed since has changed the rows in memory. */
  close(): void {
    this.#write();
    fsyncSync(this.#descriptor);
    closeSync(this.#descriptor);
  }

  #write(): void {
    const text = JSON.stringify({ ...this.#start, position: this.#position });
    try {
      writeSync(this.#descriptor, `${text.padEnd(bytes - 1)}\n`, 0);
    } catch {
      // The commit stands. An old mark refuses less, and the next one is tried.
    }
  }
}

/**
 * Until the next mark is written this one says nothing of the database file: a start changes its cookie, and may die before
 * the mark follows.
 */
export function blankCookie(folder: string, mark: MarkContent | undefined): void {
  if (mark !== undefined) new Mark(folder, { ...mark, cookie: 0 }).close();
}

/** Undefined when there is none, or it says nothing: then nothing is refused by it. Errors: `bad-config`. */
export function readMark(folder: string): MarkContent | undefined {
  let text: string;
  try {
    text = readFileSync(markFileIn(folder), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new SluiceError("bad-config", `${markFileIn(folder)} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  try {
    const { store, cookie, position } = JSON.parse(text) as MarkContent;
    return [store, cookie, position].every(Number.isSafeInteger) ? { store, cookie, position } : undefined;
  } catch {
    return undefined;
  }
}
