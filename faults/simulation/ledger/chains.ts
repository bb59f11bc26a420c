// Models of the chain of what was accepted, and of what holds the rows against it: chains.ts, audit-chain.ts, audit-rows.ts.
import { createHash } from "node:crypto";
import { reads, unnest, type Model, type Row, type Scope } from "./model.ts";
import type { Tables } from "./tables.ts";

export const chainModels: Readonly<Record<string, Model>> = {
  "audit-links": reads(({ seen, values: [after, most] }) =>
    seen.links
      .values()
      .filter(({ id }) => id > (after as string))
      .sort((left, right) => (left.id < right.id ? -1 : 1))
      .slice(0, most as number)
      .map(({ id: first, ids, digests, ...link }) => ({
        ...link,
        first,
        count: ids.length,
        hasDigests: digests !== null,
        is_hashed: hashOf(link.previous, ids, digests).equals(link.hash),
      })),
  ),
  // Nothing expires here.
  "audit-lost-places": reads(({ values: [chains, from, to] }) =>
    unnest<[string, number, number]>(chains, from, to).map(([, fromPlace, toPlace]) => ({ lost: toPlace - fromPlace })),
  ),
  "audit-unmatched": reads(unmatched),
  "audit-orphans": reads(({ seen, values: [from, before] }) => {
    const isOrphan = ({ id }: { readonly id: string }): boolean =>
      id >= (from as string) && id < (before as string) && !seen.requests.has(id);
    const tables = [
      { rows: seen.outcomes.values(), what: "outcome" },
      { rows: seen.running.values(), what: "claim" },
      { rows: seen.schedule.values(), what: "place in the schedule" },
      { rows: seen.keys.values(), what: "key" },
    ];
    return tables.flatMap(({ rows, what }) => rows.filter(isOrphan).map(({ queue, id }) => ({ queue, id, what })));
  }),
  "audit-last-begun": reads(({ seen, values: [queue] }) => {
    const begun = [...seen.running.values(), ...seen.outcomes.values().filter((row) => row.started_at !== null)];
    const ids = begun.filter((row) => row.queue === queue).map(({ id }) => id);
    return ids
      .sort()
      .slice(-1)
      .map((id) => ({ id }));
  }),
  "audit-due-before": reads(({ seen, values: [queue, before] }) =>
    seen.schedule
      .values()
      .filter((row) => row.queue === queue && row.due_at < (before as number))
      .filter(({ id }) => !seen.running.has(id) && !seen.outcomes.has(id))
      .map(({ id, due_at: at }) => ({ id, at })),
  ),
};

/** Stores the links of the group that is accepted, from the values behind the group's own. */
export function storeLinks({ db, values }: Scope): void {
  const [ids, linkNos, firsts, lasts, queues, chains, places, ...hashes] = [values[0], ...values.slice(14)];
  const accepted = unnest<[string, number]>(ids, linkNos);
  type Made = [string, string, number, string, number, Buffer, Buffer, Buffer];
  const links = unnest<Made>(
    firsts,
    lasts,
    queues,
    chains,
    places,
    ...(hashes.slice(0, 3) as [unknown, unknown, unknown]),
  );
  for (const [index, [id, last, queue, chain, place, previous, hash, digests]] of links.entries()) {
    const own = accepted.filter(([, no]) => no === index + 1).map(([one]) => one);
    db.links.put(id, { id, last, queue, chain, place, previous, hash, digests, ids: own.sort() });
  }
}

function unmatched({ seen, values: [from, before] }: Scope): Row[] {
  const isInSlice = (id: string): boolean => id >= (from as string) && id < (before as string);
  const linked = linkedIn(seen);
  const missing = [...linked].filter(([id]) => isInSlice(id) && !seen.requests.has(id));
  const unchained = seen.requests.values().filter(({ id }) => isInSlice(id) && !linked.has(id));
  const changed = [...linked].filter(([id, { digest }]) => isInSlice(id) && isChanged(seen, id, digest));
  return [
    ...missing.map(([id, { queue }]) => ({ queue, id, kind: "missing" })),
    ...unchained.map(({ queue, id }) => ({ queue, id, kind: "unchained" })),
    ...changed.map(([id, { queue }]) => ({ queue, id, kind: "changed" })),
  ];
}

const digestBytes = 16;

function linkedIn(seen: Tables): Map<string, { readonly queue: number; readonly digest: Buffer | undefined }> {
  return new Map(
    seen.links.values().flatMap(({ queue, ids, digests }) =>
      ids.map((id, at) => {
        const digest = digests?.subarray(at * digestBytes, (at + 1) * digestBytes);
        return [id, { queue, digest }] as const;
      }),
    ),
  );
}

function isChanged(seen: Tables, id: string, digest: Buffer | undefined): boolean {
  const body = seen.requests.get(id)?.body;
  if (body === undefined || digest === undefined) return false;
  return !createHash("sha256").update(body).digest().subarray(0, digestBytes).equals(digest);
}

function hashOf(previous: Buffer, ids: readonly string[], digests: Buffer | null): Buffer {
  const bytes = Buffer.from(ids.join("").replaceAll("-", ""), "hex");
  return createHash("sha256")
    .update(previous)
    .update(bytes)
    .update(digests ?? "")
    .digest();
}
