// What is left of one file when power is lost: each page stands as it was at one of its changes since the last sync. A cut
// is of the file, not of its pages: as in a journalling file system it is there or not, and what came after it only with it.
import type { Change } from "./journal.ts";

/** What a disk is written by. */
const pageBytes = 4096;

/** Of so many unsynced changes of a page, how many the disk has: the first ones, as they were made in that order. */
export type KeepChanges = (count: number) => number;

/** A file of which any part can be read and written, and that can be cut. */
export interface PagedFile {
  readonly size: number;
  /** Fills with zeros behind the end. */
  read(offset: number, length: number): Buffer;
  write(offset: number, bytes: Buffer): void;
  resize(size: number): void;
}

export interface PagesLost {
  /** Pages that had unsynced changes, and those of them that lost one. */
  readonly unsynced: number;
  readonly lost: number;
}

/** Sets the file back, page by page. Its size is what its surviving pages need. */
export function loseUnsynced(file: PagedFile, changes: readonly Change[], keep: KeepChanges): PagesLost {
  const cuts = changes.filter(({ kind }) => kind === "cut");
  const cutsKept = keep(cuts.length);
  const [lastKept, firstLost] = [cuts[cutsKept - 1], cuts[cutsKept]];
  const byPage = groupByPage(changes);
  let size = endOfUntouched(file.size, byPage);
  let lost = 0;
  for (const [page, ofPage] of byPage) {
    const least = lastKept === undefined ? 0 : ofPage.indexOf(lastKept) + 1;
    const most = firstLost !== undefined && ofPage.includes(firstLost) ? ofPage.indexOf(firstLost) : ofPage.length;
    const kept = least + keep(most - least);
    const start = page * pageBytes;
    const bytes = file.read(start, pageBytes);
    for (const change of ofPage.slice(kept).toReversed()) undo(bytes, start, change);
    const undone = ofPage[kept];
    const fileSize = undone === undefined ? sizeAfter(ofPage.at(-1)) : undone.sizeBefore;
    const length = Math.min(Math.max(fileSize - start, 0), pageBytes);
    file.write(start, bytes.fill(0, length));
    if (length > 0) size = Math.max(size, start + length);
    if (undone !== undefined) lost += 1;
  }
  file.resize(size);
  return { unsynced: byPage.size, lost };
}

function groupByPage(changes: readonly Change[]): ReadonlyMap<number, readonly Change[]> {
  const byPage = new Map<number, Change[]>();
  for (const change of changes) {
    const last = Math.floor((change.offset + change.length - 1) / pageBytes);
    for (let page = Math.floor(change.offset / pageBytes); page <= last; page += 1) {
      if (byPage.get(page)?.push(change) === undefined) byPage.set(page, [change]);
    }
  }
  return byPage;
}

/** Puts back what the change found on the page; where the file had ended it found nothing. */
function undo(page: Buffer, start: number, { offset, length, old }: Change): void {
  const from = Math.max(offset, start);
  const to = Math.min(offset + length, start + pageBytes);
  page.fill(0, from - start, to - start);
  if (old !== undefined) page.set(old.subarray(from - offset, to - offset), from - start);
}

function sizeAfter(change: Change | undefined): number {
  if (change === undefined) return 0;
  return change.kind === "cut" ? change.offset : Math.max(change.sizeBefore, change.offset + change.length);
}

function endOfUntouched(size: number, touched: ReadonlyMap<number, unknown>): number {
  for (let page = Math.ceil(size / pageBytes) - 1; page >= 0; page -= 1) {
    if (!touched.has(page)) return Math.min(size, (page + 1) * pageBytes);
  }
  return 0;
}
