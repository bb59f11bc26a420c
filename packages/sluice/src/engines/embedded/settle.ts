import { resultOf, type Claim, type Outcome } from "../../core/request.ts";
import { seqOf } from "../../core/request-id.ts";
import { responseHeadText } from "../../core/stored-head.ts";
import type { SettleResult } from "../../engine/engine.ts";
import type { Store } from "./store.ts";

export const RELEASE_CLAIM = `
  DELETE FROM running WHERE seq = ? AND token = ? RETURNING queue, attempts, crashes, started_at, bytes`;
export const INSERT_OUTCOME = `
  INSERT INTO outcomes
    (seq, queue, state, attempts, started_at, finished_at, content_type, result, response, error_code, error_message)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (seq) DO NOTHING`; // I3

/** What a claim held. */
export interface Held {
  readonly queue: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly started_at: number;
  readonly bytes: number;
}

export function prepareSettle({ db, queues, lines, now }: Store): (claim: Claim, outcome: Outcome) => SettleResult {
  const releaseClaim = db.prepare(RELEASE_CLAIM);
  const insertOutcome = db.prepare(INSERT_OUTCOME);

  return ({ id, token }, outcome) => {
    const seq = seqOf(id);
    const held = releaseClaim.get(seq, token) as unknown as Held | undefined;
    if (held === undefined) return "superseded";
    const { queue, started_at, bytes } = held;
    const attempts = held.attempts + 1;
    const row = queues.change(queues.numbered(queue));
    row.running -= 1;
    const result = resultOf(outcome);
    const failure = outcome.kind === "dead" ? outcome.failure : undefined;
    const { changes } = insertOutcome.run(
      seq,
      queue,
      outcome.kind,
      attempts,
      started_at,
      now(),
      result?.contentType ?? null,
      result?.bytes ?? null,
      (result && responseHeadText(result)) ?? null,
      failure?.code ?? null,
      failure?.message ?? null,
    );
    if (changes === 0) return "superseded";
    row[outcome.kind] += 1;
    row.backlog_bytes -= bytes;
    lines.ended(queue, seq, { state: outcome.kind, wasRunning: true });
    return "settled";
  };
}
