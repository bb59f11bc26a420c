// Holds the ledger's requests against the chain of what was accepted. Hashes are counted by the server, beside the ids.
import { ChainCheck, hourOfId } from "../../core/chain.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { HourAudit, Proof } from "../../engine/audit.ts";
import { brokenText, missingText, unchainedText, type FindingList } from "../../engine/finding-list.ts";
import type { Connected, Statement } from "./database.ts";
import { firstIdAt, lowestId, type IdBound } from "./state.ts";

const IS_HASHED = `sha256(l.previous || (
    SELECT string_agg(uuid_send(u.id), ''::bytea ORDER BY u.no) FROM unnest(l.ids) WITH ORDINALITY AS u (id, no)
  )) = l.hash`;
const SELECT_LINKS: Statement = {
  name: "audit-links",
  text: `SELECT l.id, l.queue, l.chain, l.place, l.previous, l.hash, cardinality(l.ids) AS count, ${IS_HASHED} AS is_hashed
    FROM sluice.links l WHERE l.id > $1::uuid ORDER BY l.id LIMIT $2::int`,
};
/** Links lie within an hour: those of the slice begin no earlier than $3, the hour of its lower bound. */
const SELECT_UNMATCHED: Statement = {
  name: "audit-unmatched",
  text: `SELECT coalesce(k.queue, r.queue) AS queue, coalesce(k.id, r.id) AS id, r.id IS NULL AS is_missing
    FROM (
      SELECT l.queue, u.id FROM sluice.links l CROSS JOIN LATERAL unnest(l.ids) AS u (id)
      WHERE l.id >= $3::uuid AND l.id < $2::uuid AND l.last >= $1::uuid AND u.id >= $1::uuid AND u.id < $2::uuid
    ) k
    FULL JOIN (SELECT id, queue FROM sluice.requests WHERE id >= $1::uuid AND id < $2::uuid) r ON r.id = k.id
    WHERE k.id IS NULL OR r.id IS NULL ORDER BY 2 LIMIT 10000`,
};
const PROVE: Statement = {
  name: "prove",
  text: `SELECT l.id, l.queue, l.chain, l.place, l.previous, l.hash, cardinality(l.ids) AS count, ${IS_HASHED} AS is_hashed,
      b.hash AS hash_before
    FROM (
      SELECT * FROM sluice.links WHERE id >= $2::uuid AND id <= $1::uuid AND last >= $1::uuid AND $1::uuid = ANY (ids)
      ORDER BY id DESC LIMIT 1
    ) l
    LEFT JOIN sluice.links b ON b.chain = l.chain AND b.place = l.place - 1 AND b.id >= l.chain AND b.id < l.id`,
};
const IS_STORED: Statement = { name: "prove-stored", text: "SELECT FROM sluice.requests WHERE id = $1" };
/** With the bounds of a link, no more ids than a slice of the audit has rows. */
const linksPerPage = 100;

interface LinkRow {
  readonly id: RequestId;
  readonly queue: number;
  readonly chain: RequestId;
  readonly place: number;
  readonly previous: Uint8Array;
  readonly hash: Uint8Array;
  readonly count: number;
  readonly is_hashed: boolean;
}

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
    for (const row of rows) {
      const queue = nameOf(row.queue);
      if (!check.follows(row) || !row.is_hashed) findings.add({ kind: "broken", queue, id: row.id, what: brokenText });
      count(hours, { queue, id: row.id, accepted: row.count, missing: 0 });
    }
    if (rows.length < linksPerPage) return hours;
    after = (rows.at(-1) as LinkRow).id;
  }
}

/** In a slice of ids: who is in one of both, and not in the other. */
export async function auditSlice(
  snapshot: Connected,
  { from, before, hours }: { readonly from: IdBound; readonly before: IdBound; readonly hours: Map<string, HourAudit> },
  { findings, nameOf }: ChainAuditOptions,
): Promise<void> {
  const hour = firstIdAt(hourOfId(from as RequestId));
  const rows = await snapshot.rows<{ queue: number; id: RequestId; is_missing: boolean }>(SELECT_UNMATCHED, [
    from,
    before,
    hour,
  ]);
  for (const { queue: no, id, is_missing } of rows) {
    const queue = nameOf(no);
    findings.add({
      kind: is_missing ? "missing" : "unchained",
      queue,
      id,
      what: is_missing ? missingText : unchainedText,
    });
    if (is_missing) count(hours, { queue, id, accepted: 0, missing: 1 });
  }
}

export async function prove(connection: Connected, id: RequestId): Promise<Proof> {
  const hour = firstIdAt(hourOfId(id));
  const [row] = await connection.rows<LinkRow & { hash_before: Uint8Array | null }>(PROVE, [id, hour]);
  const isStored = (await connection.rows(IS_STORED, [id])).length > 0;
  if (row === undefined) return { verdict: isStored ? "unchained" : "unknown", link: undefined };
  const { chain, place, previous, hash_before } = row;
  const isSound = row.is_hashed && (hash_before === null || Buffer.compare(hash_before, previous) === 0);
  return { verdict: isSound ? (isStored ? "stored" : "missing") : "broken", link: { chain, place } };
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
