// Checks the ledger's requests against the chain of what was accepted. Hashes are computed by the server, beside the rows.
import { digestBytes } from "../../../core/body-hash.ts";
import { ChainCheck, dayMs, dayOfId, hourOfId, type ChainGap, type PlacedLink } from "../../../core/chain.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { HourAudit, Proof } from "../../../engine/audit.ts";
import {
  brokenText,
  changedText,
  gapFinding,
  gapOf,
  missingText,
  unchainedText,
  type FindingList,
} from "../../shared/finding-list.ts";
import { int4Array, uuidArray } from "../ledger/connection/binary-array.ts";
import type { Connected, Statement } from "../ledger/connection/database.ts";
import { requestOfAlias } from "../ledger/read.ts";
import { firstIdAt, lowestId, type IdBound } from "../ledger/state.ts";

const LINK = `l.id AS first, l.last, l.queue, l.chain, l.place, l.previous, l.hash, cardinality(l.ids) AS count,
  l.digests IS NOT NULL AS "hasDigests", sha256(l.previous || (
    SELECT string_agg(uuid_send(u.id), ''::bytea ORDER BY u.no) FROM unnest(l.ids) WITH ORDINALITY AS u (id, no)
  ) || coalesce(l.digests, '')) = l.hash AS is_hashed`;
const SELECT_LINKS: Statement = {
  name: "audit-links",
  text: `SELECT ${LINK} FROM sluice.links l WHERE l.id > $1::uuid ORDER BY l.id LIMIT $2::int`,
};
/** How many places of each gap retention has not removed. */
const LOST_PLACES: Statement = {
  name: "audit-lost-places",
  text: `SELECT (
      SELECT coalesce(sum(upper(r) - lower(r)), 0)::int
      FROM unnest(int4multirange(int4range(g.from_place, g.to_place)) - coalesce(e.places, '{}'::int4multirange)) AS r
    ) AS lost
    FROM unnest($1::uuid[], $2::int[], $3::int[]) WITH ORDINALITY AS g (chain, from_place, to_place, no)
    LEFT JOIN sluice.expired_places e ON e.chain = g.chain ORDER BY g.no`,
};
const DIGEST = `substring(sha256(body) FOR ${digestBytes})`;
/**
 * Links lie within an hour: those of the slice begin no earlier than $3, the hour of its lower bound. A link's digests are
 * fetched once (|| makes a copy), or each of its ids would fetch them.
 */
const SELECT_UNMATCHED: Statement = {
  name: "audit-unmatched",
  text: `SELECT coalesce(k.queue, r.queue) AS queue, coalesce(k.id, r.id) AS id,
      CASE WHEN r.id IS NULL THEN 'missing' WHEN k.id IS NULL THEN 'unchained' ELSE 'changed' END AS kind
    FROM (
      SELECT l.queue, u.id, substring(l.digests FROM (${digestBytes} * (u.no - 1) + 1)::int FOR ${digestBytes}) AS digest
      FROM (
        SELECT queue, ids, digests || ''::bytea AS digests FROM sluice.links
        WHERE id >= $3::uuid AND id < $2::uuid AND last >= $1::uuid OFFSET 0
      ) l CROSS JOIN LATERAL unnest(l.ids) WITH ORDINALITY AS u (id, no)
      WHERE u.id >= $1::uuid AND u.id < $2::uuid
    ) k
    FULL JOIN (
      SELECT id, queue, ${DIGEST} AS digest FROM sluice.requests WHERE id >= $1::uuid AND id < $2::uuid
    ) r ON r.id = k.id
    WHERE k.id IS NULL OR r.id IS NULL OR k.digest <> r.digest ORDER BY 2 LIMIT 10000`,
};
const PROVE: Statement = {
  name: "prove",
  text: `SELECT ${LINK},
      substring(l.digests FROM ${digestBytes} * (array_position(l.ids, $1::uuid) - 1) + 1 FOR ${digestBytes}) AS digest
    FROM sluice.links l WHERE l.id >= $2::uuid AND l.id <= $1::uuid AND l.last >= $1::uuid AND $1::uuid = ANY (l.ids)
    ORDER BY l.id DESC LIMIT 1`,
};
const PROVE_BEFORE: Statement = {
  name: "prove-before",
  text: `SELECT ${LINK} FROM sluice.links l WHERE l.chain = $1::uuid AND l.id >= $1::uuid AND l.id < $2::uuid
    ORDER BY l.id DESC LIMIT 1`,
};
const IS_STORED: Statement = {
  name: "prove-stored",
  text: `SELECT ${DIGEST} AS digest FROM sluice.requests WHERE id = $1::uuid`,
};
/** Of each chain of a day: what lies between the last link before an id and the first one after it. */
const PROVE_GAPS: Statement = {
  name: "prove-gaps",
  text: `SELECT chain, end_before AS "fromPlace", place AS "toPlace", last_before AS after, id AS before FROM (
      SELECT chain, id, place, lag(last) OVER w AS last_before,
        coalesce(lag(place + octet_length(digests) / ${digestBytes}) OVER w, 0) AS end_before
      FROM sluice.links WHERE id >= $2::uuid AND id < $3::uuid AND digests IS NOT NULL
      WINDOW w AS (PARTITION BY chain ORDER BY id)
    ) l WHERE id > $1::uuid AND coalesce(last_before < $1::uuid, chain <= $1::uuid) AND place > end_before`,
};
/** With the bounds of a link, no more ids than a slice of the audit has rows. */
const linksPerPage = 100;

interface LinkRow extends PlacedLink {
  readonly queue: number;
  readonly is_hashed: boolean;
}

interface UnmatchedRow {
  readonly queue: number;
  readonly id: RequestId;
  readonly kind: "missing" | "unchained" | "changed";
}

const unmatchedTexts = { missing: missingText, unchained: unchainedText, changed: changedText } as const;

export interface ChainAuditOptions {
  readonly findings: FindingList;
  readonly nameOf: (queue: number) => string;
}

/** Follows every chain; counts what was accepted by hour. */
export async function auditLinks(
  snapshot: Connected,
  { findings, nameOf }: ChainAuditOptions,
): Promise<Map<string, HourAudit>> {
  const hours = new Map<string, HourAudit>();
  const check = new ChainCheck();
  for (let after: IdBound = lowestId; ;) {
    const rows = await snapshot.rows<LinkRow>(SELECT_LINKS, [after, linksPerPage]);
    const gaps: QueueGap[] = [];
    for (const row of rows) {
      const queue = nameOf(row.queue);
      const { isFollowing, gap } = check.look(row);
      if (!isFollowing || !row.is_hashed) findings.add({ kind: "broken", queue, id: row.first, what: brokenText });
      if (gap !== undefined) gaps.push({ ...gap, queue });
      count(hours, { queue, id: row.first, accepted: row.count, missing: 0 });
    }
    for (const { lost, queue, ...gap } of await lostOf(snapshot, gaps))
      findings.add(gapFinding(queue, gapOf(gap, lost)));
    if (rows.length < linksPerPage) return hours;
    after = (rows.at(-1) as LinkRow).first;
  }
}

interface QueueGap extends ChainGap {
  readonly queue: string;
}

/** Those of which retention does not explain every place. */
async function lostOf<One extends ChainGap>(
  db: Connected,
  gaps: readonly One[],
): Promise<readonly (One & { readonly lost: number })[]> {
  if (gaps.length === 0) return [];
  const rows = await db.rows<{ lost: number }>(LOST_PLACES, [
    uuidArray(gaps.map(({ chain }) => chain)),
    int4Array(gaps.map(({ fromPlace }) => fromPlace)),
    int4Array(gaps.map(({ toPlace }) => toPlace)),
  ]);
  return gaps.map((gap, index) => ({ ...gap, lost: rows[index]?.lost ?? 0 })).filter(({ lost }) => lost > 0);
}

/** In a slice of ids: who is in one of both and not in the other, and whose body is another. */
export async function auditSlice(
  snapshot: Connected,
  { from, before, hours }: { readonly from: IdBound; readonly before: IdBound; readonly hours: Map<string, HourAudit> },
  { findings, nameOf }: ChainAuditOptions,
): Promise<void> {
  const hour = firstIdAt(hourOfId(from as RequestId));
  for (const { queue: no, id, kind } of await snapshot.rows<UnmatchedRow>(SELECT_UNMATCHED, [from, before, hour])) {
    const queue = nameOf(no);
    findings.add({ kind, queue, id, what: unmatchedTexts[kind] });
    if (kind === "missing") count(hours, { queue, id, accepted: 0, missing: 1 });
  }
}

export async function prove(connection: Connected, id: RequestId): Promise<Proof> {
  type Row = LinkRow & { readonly digest: Uint8Array | null };
  const [row] = await connection.rows<Row>(PROVE, [id, firstIdAt(hourOfId(id))]);
  const [stored] = await connection.rows<{ digest: Uint8Array }>(IS_STORED, [id]);
  if (row === undefined && stored !== undefined) return { verdict: "unchained", link: undefined };
  if (row === undefined) {
    const of = await requestOfAlias(connection, id);
    return of === undefined ? proveGap(connection, id) : prove(connection, of);
  }
  const { chain, place, digest } = row;
  const check = new ChainCheck();
  const [before] = await connection.rows<LinkRow>(PROVE_BEFORE, [chain, row.first]);
  if (before !== undefined) check.look(before);
  const isSound = check.look(row).isFollowing && row.is_hashed;
  const isChanged = stored !== undefined && digest !== null && Buffer.compare(stored.digest, digest) !== 0;
  const verdict = stored === undefined ? "missing" : isChanged ? "changed" : "stored";
  return { verdict: isSound ? verdict : "broken", link: { chain, place } };
}

/** It is nowhere: whether others of its time are missing. */
async function proveGap(connection: Connected, id: RequestId): Promise<Proof> {
  const dayAt = dayOfId(id);
  const gaps = await connection.rows<ChainGap & object>(PROVE_GAPS, [id, firstIdAt(dayAt), firstIdAt(dayAt + dayMs)]);
  const [gap] = await lostOf(connection, gaps);
  if (gap === undefined) return { verdict: "unknown", link: undefined };
  return { verdict: "gap", link: { chain: gap.chain, place: gap.fromPlace } };
}

function count(
  hours: Map<string, HourAudit>,
  { queue, id, accepted, missing }: { queue: string; id: RequestId; accepted: number; missing: number },
): void {
  const hourAt = hourOfId(id);
  const name = `${queue} ${hourAt}`;
  const known = hours.get(name) ?? { queue, hourAt, accepted: 0, missing: 0 };
  hours.set(name, { ...known, accepted: known.accepted + accepted, missing: known.missing + missing });
}
