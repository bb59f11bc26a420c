// What the shim wrote down, call after call, in the order of the calls.
import { readFileSync } from "node:fs";

/** Bytes of a file written, or the file cut or made longer. */
export interface Change {
  readonly kind: "change" | "cut";
  readonly inode: bigint;
  readonly offset: number;
  readonly length: number;
  readonly sizeBefore: number;
  /** What stood there up to the file's end; undefined for zeros. */
  readonly old: Buffer | undefined;
}

/** A change of a folder. Paths are absolute; `held` is where the file that was there is kept, if one was. */
export type Naming =
  | { readonly kind: "create" | "make"; readonly inode: bigint; readonly path: string }
  | {
      readonly kind: "rename";
      readonly inode: bigint;
      readonly path: string;
      readonly from: string;
      readonly held: string;
    }
  | { readonly kind: "unlink"; readonly inode: bigint; readonly path: string; readonly held: string }
  | { readonly kind: "remove"; readonly inode: bigint; readonly path: string };

export type JournalRecord =
  | Change
  | Naming
  | { readonly kind: "map"; readonly inode: bigint }
  | { readonly kind: "sync-file"; readonly inode: bigint; readonly token: bigint }
  | { readonly kind: "sync-folder"; readonly path: string; readonly token: bigint }
  | { readonly kind: "synced"; readonly token: bigint };

const headerBytes = 64;

/** All complete records: the last one is not where the process was killed while it wrote it. */
export function readJournal(file: string): readonly JournalRecord[] {
  const bytes = readFileSync(file);
  const records: JournalRecord[] = [];
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const numberAt = (index: number): number => Number(bytes.readBigUInt64LE(at + 8 * index));
    const oldAt = at + headerBytes + numberAt(6);
    const end = oldAt + numberAt(7);
    if (end > bytes.length) break;
    records.push(
      recordOf(
        bytes.subarray(at, at + headerBytes),
        bytes.toString("utf8", at + headerBytes, oldAt),
        bytes.subarray(oldAt, end),
      ),
    );
    at = end;
  }
  return records;
}

function recordOf(header: Buffer, text: string, old: Buffer): JournalRecord {
  const [code, inode, offset, length, sizeBefore, token] = Array.from({ length: 6 }, (_, index) =>
    header.readBigUInt64LE(8 * index),
  ) as [bigint, bigint, bigint, bigint, bigint, bigint];
  const [path = "", second = "", third = ""] = text.split("\n");
  const change = {
    inode,
    offset: Number(offset),
    length: Number(length),
    sizeBefore: Number(sizeBefore),
    old: old.length === 0 ? undefined : old,
  };
  switch (String.fromCharCode(Number(code))) {
    case "w":
      return { kind: "change", ...change };
    case "t":
      return { kind: "cut", ...change };
    case "c":
      return { kind: "create", inode, path };
    case "m":
      return { kind: "make", inode, path };
    case "r":
      return { kind: "rename", inode, from: path, path: second, held: third };
    case "u":
      return { kind: "unlink", inode, path, held: second };
    case "x":
      return { kind: "remove", inode, path };
    case "p":
      return { kind: "map", inode };
    case "b":
      return { kind: "sync-file", inode, token };
    case "d":
      return { kind: "sync-folder", path, token };
    case "e":
      return { kind: "synced", token };
    default:
      throw new Error(`the journal has a record of an unknown kind, ${code}`);
  }
}
