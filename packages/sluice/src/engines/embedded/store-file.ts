import { join } from "node:path";

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
