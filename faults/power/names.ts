// Takes back what happened to names: the newest first.
import { chownSync, lstatSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Naming } from "./journal.ts";

export function undoNaming(naming: Naming): void {
  switch (naming.kind) {
    case "create":
      if (inodeOf(naming.path) === naming.inode) rmSync(naming.path);
      break;
    case "make":
      rmSync(naming.path, { recursive: true, force: true });
      break;
    case "rename":
      if (inodeOf(naming.path) === naming.inode) renameSync(naming.path, naming.from);
      if (naming.held !== "") renameSync(naming.held, naming.path);
      break;
    case "unlink":
      if (naming.held !== "") renameSync(naming.held, naming.path);
      break;
    case "remove":
      makeLikeItsParent(naming.path);
      break;
    default:
      naming satisfies never;
  }
}

export function inodeOf(path: string): bigint | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}

/** A server that runs as another user must be able to use it. */
function makeLikeItsParent(path: string): void {
  const { uid, gid, mode } = statSync(dirname(path));
  mkdirSync(path, { mode });
  chownSync(path, uid, gid);
}
