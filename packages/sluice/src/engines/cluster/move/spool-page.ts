// Stores a page of requests that a spool took in, inside a transaction of the caller's. They are new to the ledger, and
// older than what it has: the mark before which nobody looks for new ones goes down to them, in the same commit.
import type { ErrorCode } from "../../../core/errors.ts";
import { readStoredKey } from "../../../core/idempotency-key.ts";
import type { Failure } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { MovedOutcome, MovedRequest } from "../../../engine/moved.ts";
import { ADD_SENDERS } from "../ledger/accept.ts";
import { ConflictError, type Connected, type Statement } from "../ledger/connection/database.ts";
import type { QueueNumbers } from "../ledger/queue-numbers.ts";
import { FIND_KEYS } from "../ledger/resolve.ts";
import {
  callbackValues,
  columnsOf,
  keyValues,
  linkedValues,
  outcomeValues,
  requestValues,
  senderValues,
  STORE_CALLBACKS,
  STORE_KEYS,
  STORE_LINKS,
  STORE_OUTCOMES,
  STORE_REQUESTS,
  TALLY,
  tallyValues,
  type Numbered,
} from "./move-page.ts";

const STORE_ALIASES: Statement = {
  name: "spool-store-aliases",
  text: `INSERT INTO sluice.aliases (alias, id) SELECT * FROM unnest($1::uuid[], $2::uuid[]) ON CONFLICT DO NOTHING`,
};
const LOWER_MARKS: Statement = {
  name: "spool-lower-marks",
  text: `UPDATE sluice.queues q SET fresh_from = i.id FROM unnest($1::smallint[], $2::uuid[]) AS i (no, id)
    WHERE q.no = i.no AND q.fresh_from > i.id`,
};
const STORE_OUTBOX: Statement = {
  name: "spool-store-outbox",
  text: `INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, 'fresh', array_agg(id ORDER BY id) FROM unnest($1::uuid[], $2::smallint[]) AS i (id, queue) GROUP BY queue`,
};

export interface SpooledPage {
  readonly requests: readonly MovedRequest[];
  readonly queues: QueueNumbers;
  /** By the ledger's clock. */
  readonly now: number;
}

export async function storeSpooled(inside: Connected, { requests, queues, now }: SpooledPage): Promise<void> {
  const all = requests.map((request) => ({ ...request, no: queues.noOf(request.queue) }));
  const owners = await ownersOf(inside, all);
  const own: Numbered[] = [];
  const aliases: { readonly alias: RequestId; readonly id: RequestId }[] = [];
  for (const request of all) {
    const owner = owners.get(request.id);
    if (owner === undefined) own.push(request);
    else if (owner.isSame) aliases.push({ alias: request.id, id: owner.id });
    else own.push({ ...request, standing: keyReused(owner.id, now) });
  }
  if (aliases.length > 0)
    await inside.rows(
      STORE_ALIASES,
      columnsOf(
        aliases,
        ({ alias }) => alias,
        ({ id }) => id,
      ),
    );
  const found = await inside.rows<{ id: RequestId }>(STORE_REQUESTS, requestValues(own));
  const ids = new Set(found.map(({ id }) => id));
  const stored = own.filter(({ id }) => ids.has(id));
  if (stored.length === 0) return;
  await inside.rows(STORE_LINKS, linkedValues(stored));
  await inside.rows(ADD_SENDERS, senderValues(stored));
  await storeSome(inside, STORE_OUTCOMES, outcomeValues(stored));
  await storeSome(inside, STORE_CALLBACKS, callbackValues(stored));
  const waiting = stored.filter(({ standing }) => standing.kind === "backlog");
  await storeSome(inside, LOWER_MARKS, lowestValues(waiting));
  await storeSome(
    inside,
    STORE_OUTBOX,
    columnsOf(
      waiting,
      ({ id }) => id,
      ({ no }) => no,
    ),
  );
  await inside.rows(TALLY, tallyValues(stored));
}

/** Most pages have none of some. */
async function storeSome(inside: Connected, statement: Statement, values: readonly unknown[]): Promise<void> {
  const [first] = values;
  if (Array.isArray(first) && first.length > 0) await inside.rows(statement, values);
}

/** Whose the key of a request already is. */
interface Owner {
  readonly id: RequestId;
  /** Whether both requests say the same. */
  readonly isSame: boolean;
}

/** Takes the keys of the requests; those whose key another request has are told with it. */
async function ownersOf(inside: Connected, requests: readonly Numbered[]): Promise<ReadonlyMap<RequestId, Owner>> {
  const owners = new Map<RequestId, Owner>();
  const keyed = requests.filter(({ key }) => key !== undefined && readStoredKey(key).key !== undefined);
  if (keyed.length === 0) return owners;
  // A key that is stored without its sender may be anybody's: accepted again, it would be done twice.
  const ofSenders = keyed.filter(({ key }) => readStoredKey(key as string).sender !== undefined);
  const anybodys = await knownKeys(inside, ofSenders, ({ key }) => readStoredKey(key as string).key);
  const free = keyed.filter((request) => !anybodys.has(request.id));
  await storeSome(inside, STORE_KEYS, keyValues(free));
  const known = await knownKeys(inside, free, ({ key }) => key);
  for (const request of free) if (!known.has(request.id)) throw new ConflictError("a key went between two looks at it");
  for (const request of keyed) {
    const owner = anybodys.get(request.id) ?? known.get(request.id);
    if (owner !== undefined && owner.id !== request.id) owners.set(request.id, owner);
  }
  return owners;
}

async function knownKeys(
  inside: Connected,
  requests: readonly Numbered[],
  keyOf: (request: Numbered) => string | undefined,
): Promise<Map<RequestId, Owner>> {
  if (requests.length === 0) return new Map();
  const values = columnsOf(requests, ({ no }) => no, keyOf);
  const rows = await inside.rows<{ queue: number; key: string; id: RequestId; fingerprint: Buffer }>(FIND_KEYS, values);
  const byName = new Map(rows.map((row) => [`${row.queue} ${row.key}`, row]));
  return new Map(
    requests.flatMap((request) => {
      const row = byName.get(`${request.no} ${keyOf(request)}`);
      if (row === undefined) return [];
      const isSame = row.fingerprint.equals(request.fingerprint ?? Buffer.of());
      return [[request.id, { id: row.id, isSame }]];
    }),
  );
}

function keyReused(owner: RequestId, now: number): MovedOutcome {
  const message = `its key had come with another request, ${owner}, while the ledger was out`;
  const failure = { code: "key-reused", message } satisfies Failure & { readonly code: ErrorCode };
  const nothing = { result: undefined, response: undefined };
  return { kind: "outcome", state: "dead", finishedAt: Math.floor(now), failure, ...nothing };
}

function lowestValues(waiting: readonly Numbered[]): readonly (readonly unknown[])[] {
  const lowest = new Map<number, RequestId>();
  for (const { no, id } of waiting) if (id < (lowest.get(no) ?? "g")) lowest.set(no, id);
  return [[...lowest.keys()], [...lowest.values()]];
}
