// One owner per data folder: a lock that the operating system drops when its process dies, however it dies.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf, SluiceError } from "../../core/errors.ts";
import { assertRegularFile, lockFileIn, makePrivate, privateMode } from "./store-file.ts";

export interface Ownership {
  release(): void;
}

/** In `moved.json` from the moment when the folder's requests begin to move into a cluster. */
export interface MovedMark {
  /** Host, port and database. */
  readonly to: string;
  readonly startedAt: string;
  /** Undefined while some have yet to be moved. */
  readonly finishedAt?: string | undefined;
}

/** Locks the folder for this process to run its requests. Those that have moved are run elsewhere: they are refused. */
export function takeOwnership(folder: string, owner: string): Ownership {
  const ownership = lockFolder(folder, owner);
  try {
    refuseMoved(folder);
    return ownership;
  } catch (error) {
    ownership.release();
    throw error;
  }
}

/**
 * Locks the folder for this process. The lock is SQLite's own on a file beside the store; who holds it
 * stands in a file of its own, since reading a locked file from its owner would drop the lock.
 */
export function lockFolder(folder: string, owner: string): Ownership {
  const [lockFile, ownerFile] = [lockFileIn(folder), ownerFileIn(folder)];
  for (const file of [lockFile, ownerFile]) assertRegularFile(file);
  makePrivate(lockFile);
  const lock = new DatabaseSync(lockFile);
  try {
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;");
  } catch (cause) {
    lock.close();
    if (/not a database|malformed/.test(messageOf(cause))) throw noLock(lockFile, cause);
    if (!/locked|busy/.test(messageOf(cause))) throw cause;
    throw new SluiceError("folder-owned", `${folder} is in use by ${describeOwner(ownerFile)}`, { cause });
  }
  try {
    writeFileSync(ownerFile, JSON.stringify({ owner, host: hostname(), startedAt: new Date() }), { mode: privateMode });
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    release() {
      rmSync(ownerFile, { force: true });
      lock.close();
    },
  };
}

interface Owner {
  readonly owner: string;
  readonly host: string;
  readonly startedAt: string;
  /** Once its gateway listens. */
  readonly gateway?: Listener;
}

/** For the commands that ask a gateway. */
export interface Listener {
  readonly url: string;
  /** The file of its API keys. */
  readonly keys: string;
}

function ownerFileIn(folder: string): string {
  return join(folder, "owner.json");
}

/** For the owner of the folder. */
export function noteListener(folder: string, gateway: Listener): void {
  const file = ownerFileIn(folder);
  const owner = JSON.parse(readFileSync(file, "utf8")) as Owner;
  writeFileSync(`${file}.new`, JSON.stringify({ ...owner, gateway }), { mode: privateMode });
  renameSync(`${file}.new`, file);
}

/** The gateway on this folder; or the one that was, if it was killed. */
export function readListener(folder: string): Listener | undefined {
  try {
    const { gateway } = JSON.parse(readFileSync(ownerFileIn(folder), "utf8")) as Partial<Owner>;
    return gateway !== undefined && URL.canParse(gateway.url) ? gateway : undefined;
  } catch {
    return undefined;
  }
}

function noLock(file: string, cause: unknown): SluiceError {
  const message = `${file} is not a lock of Sluice: its content is something else. Delete it while no Sluice runs here`;
  return new SluiceError("bad-config", message, { cause });
}

/** Undefined in a folder whose requests are still its own. */
export function readMovedMark(folder: string): MovedMark | undefined {
  const file = movedMarkIn(folder);
  assertRegularFile(file);
  if (!existsSync(file)) return undefined;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as MovedMark;
  } catch (cause) {
    throw new SluiceError("bad-config", `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
}

export function movedMarkIn(folder: string): string {
  return join(folder, "moved.json");
}

function refuseMoved(folder: string): void {
  const mark = readMovedMark(folder);
  if (mark === undefined) return;
  const { to, finishedAt } = mark;
  const found =
    finishedAt === undefined
      ? `are being moved to ${to}: finish with sluice move --from ${folder}`
      : `were moved to ${to} on ${finishedAt}`;
  throw new SluiceError(
    "bad-config",
    `the requests of ${folder} ${found}; remove its moved.json only if that cluster is gone`,
  );
}

function describeOwner(file: string): string {
  try {
    const { owner, host, startedAt } = JSON.parse(readFileSync(file, "utf8")) as Owner;
    return `${owner} on ${host}, started ${startedAt}`;
  } catch {
    return "a process that has not told its name yet";
  }
}
