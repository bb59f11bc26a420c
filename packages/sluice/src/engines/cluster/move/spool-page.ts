// Stores a page of requests that a spool took in, inside a transaction of the caller's: as new ones, by the statement that
// accept.ts has for them. They are older than what the ledger has: the mark before which nobody looks for new ones goes
// down to them in the same commit.
import { bodyHashOf } from "../../../core/body-hash.ts";
import type { ErrorCode } from "../../../core/errors.ts";
import { readStoredKey } from "../../../core/idempotency-key.ts";
import type { Failure } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import { readRequestHead } from "../../../core/stored-head.ts";
import type { MovedOutcome, MovedRequest } from "../../../engine/moved.ts";
import {
  ADD_SENDERS,
  extraValues,
  listedOf,
  STORED,
  storeValues,
  storeWithExtras,
  type ListedRow,
} from "../ledger/accept.ts";
import { link, linkValues } from "../ledger/chains.ts";
import { int2Array, int4Array, textArray, uuidArray } from "../ledger/connection/binary-array.ts";
import type { Connected, Statement } from "../ledger/connection/database.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import type { QueueNumbers } from "../ledger/queue-numbers.ts";
import { FIND_KEYS, placeOf, type Storable } from "../ledger/resolve.ts";
import { senderValues, storable, storePage, type Numbered } from "./move-page.ts";

const STORE_ALIASES: Statement = {
  name: "spool-store-aliases",
  text: "INSERT INTO sluice.aliases (alias, id) SELECT * FROM unnest($1::uuid[], $2::uuid[]) ON CONFLICT DO NOTHING",
};
/** They take their turns now, and not when their ids were made. */
const STORE_TURNS: Statement = {
  name: "spool-store-turns",
  text: "INSERT INTO sluice.turns (id, turn_at) SELECT id, $2::bigint FROM unnest($1::uuid[]) AS i (id)",
};
/** Queues and the lowest of their ids, then the values of the extras: most pages have none. */
const STORE: Statement = {
  name: "spool-store",
  text: storeWithExtras(
    26,
    `, lowered AS (
      UPDATE sluice.queues q SET fresh_from = i.id FROM unnest($24::smallint[], $25::uuid[]) AS i (no, id)
      WHERE q.no = i.no AND q.fresh_from > i.id
    )`,
  ),
};
/** In the row of those who are members no more. */
const nobody = 0;

export interface SpooledPage {
  readonly requests: readonly MovedRequest[];
  readonly queues: QueueNumbers;
  /** By the ledger's clock. */
  readonly now: number;
  /** Whether some of it may be there, as after a restored ledger. */
  readonly isAgain: boolean;
}

/** Gives back the rows of the outbox. Errors: `UniqueError` when some of it is there, or somebody else took a key meanwhile: again, it is looked for. */
export async function storeSpooled(inside: Connected, page: SpooledPage): Promise<readonly OutboxRow[]> {
  const { requests, queues, now, isAgain } = page;
  const all = requests.map((request) => ({ ...request, no: queues.noOf(request.queue) }));
  const there = isAgain ? await inside.rows<{ id: RequestId }>(STORED, [uuidArray(all.map(({ id }) => id))]) : [];
  const known = new Set(there.map(({ id }) => id));
  const owners = await ownersOf(inside, all);
  const fresh: Numbered[] = [];
  const dead: MovedRequest[] = [];
  const aliases: { readonly alias: RequestId; readonly id: RequestId }[] = [];
  for (const request of all) {
    const owner = owners.get(request.id);
    if (known.has(request.id) || owner?.id === request.id) continue; // a copy of the spool's folder was put back
    if (owner === undefined) fresh.push(request);
    else if (owner.isSame) aliases.push({ alias: request.id, id: owner.id });
    else dead.push({ ...request, standing: keyReused(owner.id, now) });
  }
  if (aliases.length > 0)
    await inside.rows(STORE_ALIASES, [
      uuidArray(aliases.map(({ alias }) => alias)),
      uuidArray(aliases.map(({ id }) => id)),
    ]);
  if (dead.length > 0) await storePage(inside, dead, queues, { mayShareKeys: true });
  return fresh.length > 0 ? storeFresh(inside, fresh, page) : [];
}

async function storeFresh(
  inside: Connected,
  requests: readonly Numbered[],
  { queues, now }: Pick<SpooledPage, "queues" | "now">,
): Promise<readonly OutboxRow[]> {
  const fresh = requests.map((request): Storable => {
    const { id, no, key, contentType, body, callback } = request;
    const own = { contentType: storable(contentType) ?? "", body, callback: callback?.url };
    const fingerprint = key === undefined || !hasKey(key) ? undefined : request.fingerprint;
    const place = placeOf(readRequestHead(request.headers ?? null).placement, now, queues.hasLines(no));
    return { id, request: own, storedKey: key, queue: no, bodyHash: bodyHashOf(body), fingerprint, place };
  });
  const senders = senderValues(requests);
  if (senders[0]?.length !== 0) await inside.rows(ADD_SENDERS, senders);
  const ordered = fresh.filter(({ place }) => place.line?.order !== undefined).map(({ id }) => id);
  if (ordered.length > 0) await inside.rows(STORE_TURNS, [uuidArray(ordered), Math.floor(now)]);
  const group = link(fresh);
  const values = [
    ...storeValues(fresh, { heads: requests.map(({ headers }) => headers), member: nobody, confirmed: [] }),
    int4Array(group.linkNos),
    ...linkValues(group),
    ...lowestValues(fresh),
    ...extraValues(fresh),
  ];
  return listedOf(await inside.rows<ListedRow & object>(STORE, values), fresh);
}

/** Whose the key of a request already is. */
interface Owner {
  readonly id: RequestId;
  /** Whether both requests say the same. */
  readonly isSame: boolean;
}

async function ownersOf(inside: Connected, requests: readonly Numbered[]): Promise<ReadonlyMap<RequestId, Owner>> {
  const looks = requests.flatMap((request) => {
    const { key, sender } = readStoredKey(request.key ?? null);
    if (key === undefined) return [];
    const own = { request, key: request.key as string };
    // A key that is stored without its sender may be anybody's: accepted again, it would be done twice.
    return sender === undefined ? [own] : [own, { request, key }];
  });
  if (looks.length === 0) return new Map();
  const rows = await inside.rows<{ queue: number; key: string; id: RequestId; fingerprint: Buffer }>(FIND_KEYS, [
    int2Array(looks.map(({ request }) => request.no)),
    textArray(looks.map(({ key }) => key)),
  ]);
  if (rows.length === 0) return new Map();
  const byName = new Map(rows.map((row) => [`${row.queue} ${row.key}`, row]));
  return new Map(
    looks.flatMap(({ request, key }) => {
      const row = byName.get(`${request.no} ${key}`);
      if (row === undefined) return [];
      return [[request.id, { id: row.id, isSame: row.fingerprint.equals(request.fingerprint ?? Buffer.of()) }]];
    }),
  );
}

function hasKey(storedKey: string): boolean {
  return readStoredKey(storedKey).key !== undefined;
}

function keyReused(owner: RequestId, now: number): MovedOutcome {
  const message = `its key had come with another request, ${owner}, while the ledger was out`;
  const failure = { code: "key-reused", message } satisfies Failure & { readonly code: ErrorCode };
  const nothing = { result: undefined, response: undefined };
  return { kind: "outcome", state: "dead", finishedAt: Math.floor(now), failure, ...nothing };
}

function lowestValues(fresh: readonly Storable[]): readonly (readonly unknown[])[] {
  const lowest = new Map<number, RequestId>();
  for (const { queue, id } of fresh) if (id < (lowest.get(queue) ?? "g")) lowest.set(queue, id);
  return [[...lowest.keys()], [...lowest.values()]];
}
