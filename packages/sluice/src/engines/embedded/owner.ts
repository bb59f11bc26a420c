// One owner per data folder: a lock that the operating system drops when its process dies, however it dies.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { messageOf, SluiceError } from "../../core/errors.ts";

export interface Ownership {
  release(): void;
}

/**
 * Locks the folder for this process. The lock is SQLite's own on a file beside the store; who holds it
 * stands in a file of its own, since reading a locked file from its owner would drop the lock.
 */
export function takeOwnership(folder: string, owner: string): Ownership {
  const lock = new DatabaseSync(join(folder, "owner.lock"));
  const ownerFile = join(folder, "owner.json");
  try {
    lock.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;");
  } catch (cause) {
    lock.close();
    if (!/locked|busy/.test(messageOf(cause))) throw cause;
    throw new SluiceError("folder-owned", `${folder} is in use by ${describeOwner(ownerFile)}`, { cause });
  }
  writeFileSync(ownerFile, JSON.stringify({ owner, host: hostname(), startedAt: new Date() }));
  return {
    release() {
      rmSync(ownerFile, { force: true });
      lock.close();
    },
  };
}

function describeOwner(file: string): string {
  try {
    const { owner, host, startedAt } = JSON.parse(readFileSync(file, "utf8"));
    return `${owner} on ${host}, started ${startedAt}`;
  } catch {
    return "a process that has not told its name yet";
  }
}
