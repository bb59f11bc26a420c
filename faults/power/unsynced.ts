// Which of the journal's records no sync covers: what a loss of power may take.
import { dirname } from "node:path";
import type { Change, JournalRecord, Naming } from "./journal.ts";

/**
 * What makes a name durable. `folder-sync`: the sync of its folder alone, which is all that POSIX promises.
 * `file-sync`: the sync of the file as well, as ext4, XFS and Btrfs do.
 */
export type NamesDurableBy = "folder-sync" | "file-sync";

export interface Unsynced {
  /** Of each file, by its inode, in their order. */
  readonly changes: ReadonlyMap<bigint, readonly Change[]>;
  readonly namings: readonly Naming[];
  /** Files that were mapped for shared writing, which the shim does not see: nothing is promised of what is in them. */
  readonly mapped: ReadonlySet<bigint>;
}

/** A sync covers what came before it began, and only once it has ended. */
export function unsyncedOf(records: readonly JournalRecord[], namesDurableBy: NamesDurableBy): Unsynced {
  const changes = new Map<bigint, Change[]>();
  const mapped = new Set<bigint>();
  const syncs = new Map<bigint, () => void>();
  let namings: Naming[] = [];
  const forgetNamings = (durable: ReadonlySet<Naming>): void => {
    if (durable.size > 0) namings = namings.filter((naming) => !durable.has(naming));
  };
  for (const record of records) {
    switch (record.kind) {
      case "change":
      case "cut":
        if (changes.get(record.inode)?.push(record) === undefined) changes.set(record.inode, [record]);
        break;
      case "create":
      case "make":
      case "rename":
      case "unlink":
      case "remove":
        namings.push(record);
        break;
      case "map":
        mapped.add(record.inode);
        break;
      case "sync-file": {
        const last = changes.get(record.inode)?.at(-1);
        const durable = new Set(namesDurableBy === "file-sync" ? namingsWith(namings, record.inode) : []);
        syncs.set(record.token, () => {
          forgetUpTo(changes.get(record.inode), last);
          forgetNamings(durable);
        });
        break;
      }
      case "sync-folder": {
        const durable = new Set(namings.filter((naming) => foldersOf(naming).has(record.path)));
        syncs.set(record.token, () => forgetNamings(durable));
        break;
      }
      case "synced":
        syncs.get(record.token)?.();
        break;
      default:
        record satisfies never;
    }
  }
  return { changes, namings, mapped };
}

/** Another sync of the same file may have covered it by now. */
function forgetUpTo(changes: Change[] | undefined, last: Change | undefined): void {
  if (changes === undefined || last === undefined) return;
  changes.splice(0, changes.indexOf(last) + 1);
}

/** What gave the file its name, what happened to that name before, and the folders that lead there. */
function namingsWith(namings: readonly Naming[], inode: bigint): readonly Naming[] {
  const ofFile = namings.filter((naming) => naming.inode === inode && naming.kind !== "unlink");
  const lastOf = new Map(ofFile.map((naming) => [naming.path, namings.indexOf(naming)]));
  return namings.filter(
    (naming, index) =>
      index <= (lastOf.get(naming.path) ?? -1) ||
      (naming.kind === "make" && ofFile.some(({ path }) => path.startsWith(`${naming.path}/`))),
  );
}

function foldersOf(naming: Naming): ReadonlySet<string> {
  const paths = naming.kind === "rename" ? [naming.from, naming.path] : [naming.path];
  return new Set(paths.map((path) => dirname(path)));
}
