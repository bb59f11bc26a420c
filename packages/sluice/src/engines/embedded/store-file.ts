import { statSync } from "node:fs";
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

/** To open a named pipe is to wait for its other end. Errors: `bad-config` when something else than a file has the name. */
export function assertRegularFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() === false)
    throw new SluiceError("bad-config", `${path} must be a regular file`);
}
