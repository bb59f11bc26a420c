// Checks the requests of a queue against the chain of what was accepted: both in the order of sequence numbers, once through.
import type { DatabaseSync } from "node:sqlite";
import { bodyHashOf, digestBytes } from "../../core/body-hash.ts";
import { ChainCheck, dayMs, isWhole, type ChainGap, type Link, type PlacedLink } from "../../core/chain.ts";
import {
  bytesOfIds,
  firstSeqAt,
  idBytes,
  idsOfBytes,
  requestIdOf,
  seqOfBytes,
  timeOfSeq,
  type RequestId,
} from "../../core/request-id.ts";
import type { HourAudit, Proof } from "../../engine/audit.ts";
import {
  brokenText,
  changedText,
  gapFinding,
  gapOf,
  missingText,
  unchainedText,
  type FindingList,
} from "../shared/finding-list.ts";
import { prepareLostPlaces } from "./expired-places.ts";

const LINK = "SELECT first_seq, chain, place, previous, hash, ids, digests FROM links";
const SELECT_LINKS = `${LINK} WHERE queue = ? ORDER BY first_seq`;
const LINK_OF_SEQ = `${LINK} WHERE first_seq <= :seq AND last_seq >= :seq`;
const LINK_BEFORE = `
  ${LINK} WHERE queue = (SELECT queue FROM links WHERE first_seq = :first) AND chain = :chain AND first_seq < :first
  ORDER BY first_seq DESC LIMIT 1`;
/** Of each chain of a day: what lies between the last link before a sequence number and the first one after it. */
const SELECT_GAPS = `
  SELECT chain, end_before, last_before, place, ids FROM (
    SELECT chain, first_seq, place, substr(ids, 1, ${idBytes}) AS ids,
      lag(place + length(ids) / ${idBytes}, 1, 0) OVER w AS end_before,
      lag(substr(ids, -${idBytes})) OVER w AS last_before, lag(last_seq) OVER w AS seq_before
    FROM links WHERE first_seq >= :day AND first_seq < :next AND digests IS NOT NULL
    WINDOW w AS (PARTITION BY chain ORDER BY first_seq)
  ) WHERE first_seq > :seq AND coalesce(seq_before < :seq, chain <= :id) AND place > end_before`;
const SELECT_REQUESTS = "SELECT seq, body FROM requests WHERE queue = ? ORDER BY seq";
const SELECT_REQUEST = "SELECT random, body FROM requests WHERE seq = ?";
const SELECT_RANDOM = "SELECT random FROM requests WHERE seq = ?";
const hourMs = 3_600_000;

interface LinkRow extends Omit<Link, "chain" | "digests"> {
  readonly first_seq: number;
  readonly chain: Uint8Array;
  readonly digests: Uint8Array | null;
}

interface GapRow {
  readonly chain: Uint8Array;
  readonly end_before: number;
  readonly last_before: Uint8Array | null;
  readonly place: number;
  readonly ids: Uint8Array;
}

interface StoredRow {
  readonly seq: number;
  readonly body: Uint8Array;
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
  const selectGaps = db.prepare(SELECT_GAPS);
  const selectRequests = db.prepare(SELECT_REQUESTS);
  const selectRequest = db.prepare(SELECT_REQUEST);
  const selectRandom = db.prepare(SELECT_RANDOM);
  const lostPlaces = prepareLostPlaces(db);
  return { audit, prove, idOf };

  function audit(queue: { readonly no: number; readonly name: string }, findings: FindingList): readonly HourAudit[] {
    const check = new ChainCheck();
    const hours = new Hours(queue.name);
    const stored = new Stored(selectRequests.iterate(queue.no) as Iterable<unknown> as Iterable<StoredRow>);
    const found = (kind: "missing" | "changed" | "unchained" | "broken", id: RequestId, what: string): void =>
      findings.add({ kind, queue: queue.name, id, what });
    for (const row of selectLinks.iterate(queue.no) as Iterable<unknown> as Iterable<LinkRow>) {
      const link = linkOfRow(row);
      const digests = textOfDigests(link);
      const { isFollowing, gap } = check.look(placed(link));
      if (!isFollowing || !isWhole(link)) found("broken", idOf(row.first_seq), brokenText);
      const lost = gap === undefined ? 0 : lostPlaces(gap);
      if (gap !== undefined && lost > 0) findings.add(gapFinding(queue.name, gapOf(gap, lost)));
      for (let at = 0; at + idBytes <= row.ids.byteLength; at += idBytes) {
        const seq = seqOfBytes(row.ids, at);
        for (const before of stored.takeBefore(seq)) found("unchained", storedId(before), unchainedText);
        const body = stored.take(seq);
        hours.count(seq, body !== undefined);
        if (body === undefined) found("missing", idAt(row.ids, at), missingText);
        else if (isChanged(digests, at, body)) found("changed", idAt(row.ids, at), changedText);
      }
    }
    for (const rest of stored.takeBefore(Number.POSITIVE_INFINITY)) found("unchained", storedId(rest), unchainedText);
    return hours.all();
  }

  function prove(id: RequestId, seq: number): Proof {
    const stored = selectRequest.get(seq) as { readonly random: Uint8Array; readonly body: Uint8Array } | undefined;
    const body = stored && requestIdOf(seq, stored.random) === id ? stored.body : undefined;
    const row = (linkOfSeq.all({ seq }) as unknown as readonly LinkRow[]).find(({ ids }) =>
      idsOfBytes(ids).includes(id),
    );
    if (row === undefined) return body === undefined ? proveGap(id, seq) : { verdict: "unchained", link: undefined };
    const link = linkOfRow(row);
    const check = new ChainCheck();
    const before = linkBefore.get({ chain: row.chain, first: row.first_seq }) as unknown as LinkRow | undefined;
    if (before !== undefined) check.look(placed(linkOfRow(before)));
    const isBeforeSound = before === undefined || isWhole(linkOfRow(before));
    const isSound = check.look(placed(link)).isFollowing && isWhole(link) && isBeforeSound;
    const at = idsOfBytes(link.ids).indexOf(id) * idBytes;
    const verdict = body === undefined ? "missing" : isChanged(textOfDigests(link), at, body) ? "changed" : "stored";
    return { verdict: isSound ? verdict : "broken", link: { chain: link.chain, place: link.place } };
  }

  /** It is nowhere: whether others of its time are missing. */
  function proveGap(id: RequestId, seq: number): Proof {
    const dayAt = Math.floor(timeOfSeq(seq) / dayMs) * dayMs;
    const [day, next] = [firstSeqAt(dayAt), firstSeqAt(dayAt + dayMs)];
    const rows = selectGaps.all({ day, next, seq, id: bytesOfIds([id]) }) as unknown as readonly GapRow[];
    const gap = rows.map(gapOfRow).find((one) => lostPlaces(one) > 0);
    if (gap === undefined) return { verdict: "unknown", link: undefined };
    return { verdict: "gap", link: { chain: gap.chain, place: gap.fromPlace } };
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

function linkOfRow({ chain, place, previous, hash, ids, digests }: LinkRow): Link {
  return { chain: idAt(chain, 0), place, previous, hash, ids, digests: digests ?? undefined };
}

function placed({ ids, digests, ...link }: Link): PlacedLink {
  const count = Math.floor(ids.byteLength / idBytes);
  const last = (count - 1) * idBytes;
  return { ...link, first: idAt(ids, 0), last: idAt(ids, last), count, hasDigests: digests !== undefined };
}

function gapOfRow({ chain, end_before, last_before, place, ids }: GapRow): ChainGap {
  const after = last_before === null ? undefined : idAt(last_before, 0);
  return { chain: idAt(chain, 0), fromPlace: end_before, toPlace: place, after, before: idAt(ids, 0) };
}

/** As hashes of bodies are made: see body-hash.ts. */
function textOfDigests({ digests }: Link): string | undefined {
  return digests && Buffer.from(digests.buffer, digests.byteOffset, digests.byteLength).toString("binary");
}

/** Whether a body is another than the one whose digest begins there. */
function isChanged(digests: string | undefined, at: number, body: Uint8Array): boolean {
  return digests !== undefined && !bodyHashOf(body).startsWith(digests.slice(at, at + digestBytes));
}

function idAt(ids: Uint8Array, at: number): RequestId {
  return idsOfBytes(ids.subarray(at, at + idBytes))[0] as RequestId;
}

/** What is stored, taken in the order of sequence numbers. */
class Stored {
  readonly #rows: Iterator<StoredRow>;
  #next: StoredRow | undefined;

  constructor(rows: Iterable<StoredRow>) {
    this.#rows = rows[Symbol.iterator]();
    this.#next = this.#read();
  }

  /** The body of this one, if it is there. */
  take(seq: number): Uint8Array | undefined {
    const next = this.#next;
    if (next?.seq !== seq) return undefined;
    this.#next = this.#read();
    return next.body;
  }

  *takeBefore(seq: number): Iterable<number> {
    while (this.#next !== undefined && this.#next.seq < seq) {
      yield this.#next.seq;
      this.#next = this.#read();
    }
  }

  #read(): StoredRow | undefined {
    const { value, done } = this.#rows.next();
    return done === true ? undefined : value;
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
