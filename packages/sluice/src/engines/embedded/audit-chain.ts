// Holds the requests of a queue against the chain of what was accepted: both in the order of sequence numbers, once through.
import type { DatabaseSync } from "node:sqlite";
import { ChainCheck, type Link } from "../../core/chain.ts";
import { idBytes, idsOfBytes, requestIdOf, seqOfBytes, timeOfSeq, type RequestId } from "../../core/request-id.ts";
import type { HourAudit, Proof } from "../../engine/audit.ts";
import { brokenText, missingText, unchainedText, type FindingList } from "../../engine/finding-list.ts";

const LINK = "SELECT first_seq, chain, place, previous, hash, ids FROM links";
const SELECT_LINKS = `${LINK} WHERE queue = ? ORDER BY first_seq`;
const LINK_OF_SEQ = `${LINK} WHERE first_seq <= :seq AND last_seq >= :seq`;
const LINK_BEFORE = `${LINK} WHERE chain = ? AND place = ? AND queue = (SELECT queue FROM links WHERE first_seq = ?)`;
const SELECT_REQUESTS = "SELECT seq FROM requests WHERE queue = ? ORDER BY seq";
const SELECT_RANDOM = "SELECT random FROM requests WHERE seq = ?";
const hourMs = 3_600_000;

interface LinkRow extends Omit<Link, "chain"> {
  readonly first_seq: number;
  readonly chain: Uint8Array;
}

export interface ChainAudit {
  /** The hours of what is in the chain; what is not as it has to be goes into the findings. */
  audit(queue: { readonly no: number; readonly name: string }, findings: FindingList): readonly HourAudit[];
  prove(id: RequestId, seq: number): Proof;
  /** The id of a sequence number whose request may be gone. */
  idOf(seq: number): RequestId;
}

export function prepareChainAudit(db: DatabaseSync): ChainAudit {
  const selectLinks = db.prepare(SELECT_LINKS);
  const linkOfSeq = db.prepare(LINK_OF_SEQ);
  const linkBefore = db.prepare(LINK_BEFORE);
  const selectRequests = db.prepare(SELECT_REQUESTS);
  const selectRandom = db.prepare(SELECT_RANDOM);
  return { audit, prove, idOf };

  function audit(queue: { readonly no: number; readonly name: string }, findings: FindingList): readonly HourAudit[] {
    const check = new ChainCheck();
    const hours = new Hours(queue.name);
    const stored = new Stored(selectRequests.iterate(queue.no) as Iterable<{ seq: number }>);
    const found = (kind: "missing" | "unchained" | "broken", id: RequestId, what: string): void =>
      findings.add({ kind, queue: queue.name, id, what });
    for (const row of selectLinks.iterate(queue.no) as Iterable<unknown> as Iterable<LinkRow>) {
      if (!check.isSound(linkOfRow(row))) found("broken", idOf(row.first_seq), brokenText);
      for (let at = 0; at + idBytes <= row.ids.byteLength; at += idBytes) {
        const seq = seqOfBytes(row.ids, at);
        for (const before of stored.takeBefore(seq)) found("unchained", storedId(before), unchainedText);
        const isStored = stored.take(seq);
        hours.count(seq, isStored);
        if (!isStored) found("missing", idAt(row.ids, at), missingText);
      }
    }
    for (const rest of stored.takeBefore(Number.POSITIVE_INFINITY)) found("unchained", storedId(rest), unchainedText);
    return hours.all();
  }

  function prove(id: RequestId, seq: number): Proof {
    const isStored = storedId(seq) === id;
    const row = (linkOfSeq.all({ seq }) as unknown as readonly LinkRow[]).find(({ ids }) =>
      idsOfBytes(ids).includes(id),
    );
    if (row === undefined) return { verdict: isStored ? "unchained" : "unknown", link: undefined };
    const link = linkOfRow(row);
    const check = new ChainCheck();
    const before = linkBefore.get(row.chain, row.place - 1, row.first_seq) as unknown as LinkRow | undefined;
    const isBeforeSound = before === undefined || check.isSound(linkOfRow(before));
    const isSound = check.isSound(link) && isBeforeSound;
    const verdict = isSound ? (isStored ? "stored" : "missing") : "broken";
    return { verdict, link: { chain: link.chain, place: link.place } };
  }

  function idOf(seq: number): RequestId {
    for (const { ids } of linkOfSeq.all({ seq }) as unknown as readonly LinkRow[]) {
      for (let at = 0; at + idBytes <= ids.byteLength; at += idBytes)
        if (seqOfBytes(ids, at) === seq) return idAt(ids, at);
    }
    return storedId(seq);
  }

  function storedId(seq: number): RequestId {
    const random = selectRandom.get(seq)?.["random"] as Uint8Array | undefined;
    return requestIdOf(seq, random ?? new Uint8Array(8)); // gone, and with it what of the id was random
  }
}

function linkOfRow({ chain, place, previous, hash, ids }: LinkRow): Link {
  return { chain: idAt(chain, 0), place, previous, hash, ids };
}

function idAt(ids: Uint8Array, at: number): RequestId {
  return idsOfBytes(ids.subarray(at, at + idBytes))[0] as RequestId;
}

/** Sequence numbers that are stored, taken in order. */
class Stored {
  readonly #rows: Iterator<{ readonly seq: number }>;
  #next: number;

  constructor(rows: Iterable<{ readonly seq: number }>) {
    this.#rows = rows[Symbol.iterator]();
    this.#next = this.#read();
  }

  take(seq: number): boolean {
    if (this.#next !== seq) return false;
    this.#next = this.#read();
    return true;
  }

  *takeBefore(seq: number): Iterable<number> {
    while (this.#next < seq) {
      yield this.#next;
      this.#next = this.#read();
    }
  }

  #read(): number {
    const { value, done } = this.#rows.next();
    return done === true ? Number.POSITIVE_INFINITY : (value as { seq: number }).seq;
  }
}

class Hours {
  readonly #queue: string;
  readonly #counts = new Map<number, { accepted: number; missing: number }>();

  constructor(queue: string) {
    this.#queue = queue;
  }

  count(seq: number, isStored: boolean): void {
    const hourAt = Math.floor(timeOfSeq(seq) / hourMs) * hourMs;
    const counts = this.#counts.get(hourAt) ?? { accepted: 0, missing: 0 };
    this.#counts.set(hourAt, counts);
    counts.accepted += 1;
    if (!isStored) counts.missing += 1;
  }

  all(): readonly HourAudit[] {
    return [...this.#counts].map(([hourAt, counts]) => ({ queue: this.#queue, hourAt, ...counts }));
  }
}
