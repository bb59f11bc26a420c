// Callbacks that are due: found by the reader, noted as told by the writer.
import type { DatabaseSync } from "node:sqlite";
import type { DueCallback } from "../../core/callback.ts";
import type { FinalState } from "../../core/request.ts";
import { requestIdOf, seqOf } from "../../core/request-id.ts";
import type { CallbacksAsk, CallbacksPage, ToldCallback } from "../../engine/engine.ts";

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

interface PageRow {
  readonly seq: number;
  readonly url: string;
  readonly round: number;
  readonly random: Uint8Array | null;
  readonly state: FinalState | null;
  readonly finished_at: number;
  readonly content_type: string | null;
  readonly result_bytes: number | null;
}

export function prepareCallbacksDue(db: DatabaseSync): (ask: CallbacksAsk) => CallbacksPage {
  const selectPage = db.prepare(SELECT_PAGE);
  return ({ after, max }) => {
    const rows = selectPage.all(after === undefined ? -1 : seqOf(after), max) as unknown as PageRow[];
    const last = rows.length < max ? undefined : rows.at(-1);
    // As a place in the line an id needs no random bits.
    return { due: rows.flatMap(dueOf), next: last && requestIdOf(last.seq, last.random ?? new Uint8Array(8)) };
  };
}

function dueOf({ seq, random, state, ...row }: PageRow): readonly DueCallback[] {
  if (random === null || state === null) return [];
  const { url, round, finished_at: finishedAt, content_type: contentType, result_bytes: byteCount } = row;
  const result = state === "done" ? { contentType: contentType ?? "", byteCount: byteCount ?? 0 } : undefined;
  return [{ id: requestIdOf(seq, random), url, round, finishedAt, result }];
}

export function prepareCallbacksTold(db: DatabaseSync): (told: readonly ToldCallback[]) => void {
  const noteTold = db.prepare(NOTE_TOLD);
  return (told) => {
    for (const { id, round } of told) noteTold.run(seqOf(id), round);
  };
}
