// Callbacks that are due: found by the reader, noted as told by the writer.
import type { DatabaseSync } from "node:sqlite";
import { requestIdOf, seqOf } from "../../core/request-id.ts";
import type { CallbacksAsk, CallbacksPage, ToldCallback } from "../../engine/engine.ts";
import { dueOf, type CallbackRow } from "../shared/rows.ts";

export const INSERT_CALLBACK = "INSERT INTO callbacks (seq, queue, url) VALUES (?, ?, ?)";
/** A replay: what was told is told, and the next outcome is another one. */
export const BEGIN_ROUND = "UPDATE callbacks SET round = round + 1, is_told = 0 WHERE seq = ?";
const NOTE_TOLD = "UPDATE callbacks SET is_told = 1 WHERE seq = ? AND round = ?";
const SELECT_PAGE = `
  SELECT c.seq, c.url, c.round, r.random, o.state, o.finished_at, o.content_type, length(o.result) AS result_bytes
  FROM (SELECT seq, url, round FROM callbacks WHERE is_told = 0 AND seq > ? ORDER BY seq LIMIT ?) c
  LEFT JOIN requests r ON r.seq = c.seq
  LEFT JOIN outcomes o ON o.seq = c.seq
  ORDER BY c.seq`;

interface PageRow extends CallbackRow {
  readonly seq: number;
  /** Null when its request is not stored. */
  readonly random: Uint8Array | null;
}

export function prepareCallbacksDue(db: DatabaseSync): (ask: CallbacksAsk) => CallbacksPage {
  const selectPage = db.prepare(SELECT_PAGE);
  return ({ after, max }) => {
    const rows = selectPage.all(after === undefined ? -1 : seqOf(after), max) as unknown as PageRow[];
    const last = rows.length < max ? undefined : rows.at(-1);
    const due = rows.flatMap(({ seq, random, ...row }) =>
      random === null ? [] : dueOf(requestIdOf(seq, random), row),
    );
    // As a place in the line an id needs no random bits.
    return { due, next: last && requestIdOf(last.seq, last.random ?? new Uint8Array(8)) };
  };
}

export function prepareCallbacksTold(db: DatabaseSync): (told: readonly ToldCallback[]) => void {
  const noteTold = db.prepare(NOTE_TOLD);
  return (told) => {
    for (const { id, round } of told) noteTold.run(seqOf(id), round);
  };
}
