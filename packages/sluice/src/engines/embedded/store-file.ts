import { closeSync, openSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { SluiceError } from "../../core/errors.ts";

export function storeFileIn(folder: string): string {
  return join(folder, "sluice.db");
}

/** Where the newest commits are, until a checkpoint carries them into the database. */
export function logFileIn(folder: string): string {
  return `${storeFileIn(folder)}-wal`;
}

/** Locked by the process that owns the folder. */
export function lockFileIn(folder: string): string {
  return join(folder, "owner.lock");
}

export function markFileIn(folder: string): string {
  return join(folder, "sluice.mark");
}

/** For the owner alone: SQLite gives its log the mode of the database. What is there stays as it is. */
export const privateMode = 0o600;

export function makePrivate(path: string): void {
  try {
    closeSync(openSync(path, "wx", privateMode)); // not opened when it is there: to close it would drop SQLite's locks
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** The folder and its files that others on this machine have access to, as `data: 0755`. */
export function looseModesIn(folder: string): readonly string[] {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return [folder, ...files.map(({ name }) => join(folder, name))].flatMap((path) => {
    const { mode = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
    return (mode & 0o077) === 0 ? [] : [`${path}: ${(mode & 0o777).toString(8).padStart(4, "0")}`];
  });
}

/** To open a named pipe is to wait for its other end. Errors: `bad-config` when something else than a file has the name. */
export function assertRegularFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false)
    throw new SluiceError("bad-config", `${path} must be a regular file`);
}
