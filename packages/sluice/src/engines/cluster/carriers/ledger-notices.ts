// Notices through the ledger, for processes without Redis. Who watches polls, as a pooler in between lets nobody listen; who
// has something to tell stores a row only while somebody polls. A pause needs no notice: each beat reads the queues.
import { setTimeout as delay } from "node:timers/promises";
import type { Statement } from "../ledger/connection/database.ts";
import { quickly } from "../ledger/connection/settings-check.ts";
import type { LedgerShare } from "./ledger-share.ts";
import { lineOf, noticesIn, type Notice, type Notices, type NoticesOptions } from "./notices.ts";

export interface LedgerNoticesOptions extends NoticesOptions {
  readonly share: LedgerShare;
  readonly isWatched: () => boolean;
}

/** What changes in so long is told together. */
const gatheredMs = 15;
/** As above while nobody watched at the last time: somebody who begins to is told late, not never. */
const gatheredUnwatchedMs = 100;
/** What is to be told beyond it is dropped: some 2,000 changes of state. */
const charsMax = 128 * 1_024;
const pollMs = 25;
const retryMs = 500;
/** How often who polls shows that, and clears up. */
const renewMs = 1_000;
const watchedSeconds = 10;
/** A row is there for longer than anybody who polls takes to come back. */
const keptSeconds = 3;
const clearedMax = 10_000;
/** One poll brings no more: a process that was away for long gets the last ones. */
const rowsMax = 200;

const TELL: Statement = {
  name: "tell-notices",
  text: `WITH ${quickly}
    INSERT INTO sluice.notices (origin, lines) SELECT $1, $2 FROM quickly
    WHERE EXISTS (SELECT FROM sluice.watched WHERE until > clock_timestamp()) RETURNING true AS is_watched`,
};
/**
 * What the snapshot $1 of the last poll did not see: a row is read in the first poll after its commit, whatever the order in
 * which rows were written and committed. The first poll has none, and reads nothing: what is there may be old news.
 */
const POLL: Statement = {
  name: "poll-notices",
  text: `SELECT pg_current_snapshot()::text AS snapshot, (
      SELECT string_agg(lines, E'\\n' ORDER BY xid) FROM (
        SELECT xid, lines FROM sluice.notices WHERE xid >= pg_snapshot_xmin($1::pg_snapshot)
          AND NOT pg_visible_in_snapshot(xid, $1::pg_snapshot) AND origin <> $2
        ORDER BY xid DESC LIMIT ${rowsMax}
      ) n
    ) AS lines`,
};
/** Of two at once each clears what the other does not: nobody waits. */
const RENEW: Statement = {
  name: "renew-watched",
  text: `WITH ${quickly}, old AS (
      DELETE FROM sluice.notices WHERE xid IN (
        SELECT xid FROM sluice.notices WHERE stored_at < clock_timestamp() - interval '${keptSeconds} s'
        ORDER BY xid LIMIT ${clearedMax} FOR UPDATE SKIP LOCKED
      )
    )
    INSERT INTO sluice.watched (no, until) SELECT 1, clock_timestamp() + interval '${watchedSeconds} s' FROM quickly
    ON CONFLICT (no) DO UPDATE SET until = excluded.until`,
};

export class LedgerNotices implements Notices {
  readonly #options: LedgerNoticesOptions;
  readonly #closing = new AbortController();
  #lines: string[] = [];
  #chars = 0;
  #telling: Promise<void> | undefined;
  #wasWatched = false;
  #polling: Promise<void> | undefined;

  constructor(options: LedgerNoticesOptions) {
    this.#options = options;
  }

  publish(changes: readonly Notice[]): void {
    for (const notice of changes) {
      const line = lineOf(notice);
      if (this.#chars + line.length > charsMax) continue;
      this.#lines.push(line);
      this.#chars += line.length;
    }
    if (this.#lines.length > 0 && !this.#closing.signal.aborted) this.#telling ??= this.#tellSoon();
  }

  publishQueues(): void {
    // The others read it with their next beat.
  }

  listen(): void {
    if (this.#options.isWatched() && !this.#closing.signal.aborted) this.#polling ??= this.#poll();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#telling, this.#polling]);
  }

  /** One row at a time: while PostgreSQL is slow the next one fills, and what it cannot hold is dropped. */
  async #tellSoon(): Promise<void> {
    while (this.#lines.length > 0) {
      await this.#wait(this.#wasWatched ? gatheredMs : gatheredUnwatchedMs);
      const values = [this.#options.origin, this.#lines.join("\n")];
      this.#lines = [];
      this.#chars = 0;
      this.#wasWatched = (await this.#options.share.rows(TELL, values))?.length === 1;
    }
    this.#telling = undefined;
  }

  async #poll(): Promise<void> {
    const { share, origin, onChange, isWatched } = this.#options;
    let snapshot: string | null = null;
    let renewedAt = Number.NEGATIVE_INFINITY;
    while (isWatched() && !this.#closing.signal.aborted) {
      const answer: readonly Polled[] | undefined = await share.rows<Polled & object>(POLL, [snapshot, origin]);
      const polled: Polled | undefined = answer?.[0];
      if (polled !== undefined) snapshot = polled.snapshot;
      for (const { id, change } of noticesIn(polled?.lines?.split("\n") ?? [])) onChange(id, change);
      // After the first poll: what is told because of it is not old news.
      if (polled !== undefined && performance.now() - renewedAt >= renewMs) {
        renewedAt = performance.now();
        await share.rows(RENEW, []);
      }
      await this.#wait(polled === undefined ? retryMs : pollMs);
    }
    this.#polling = undefined;
  }

  async #wait(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined); // told by the signal
  }
}

interface Polled {
  readonly snapshot: string;
  readonly lines: string | null;
}
