// Takes requests in: one statement stores a group of calls, with their keys, their place in the counts and the row of
// the outbox that tells the broker of them. A call is stored whole or not at all; the group shares the commit.
import { randomFillSync } from "node:crypto";
import { SluiceError } from "../../core/errors.ts";
import { fingerprintOf } from "../../core/idempotency-key.ts";
import type { NewRequest, Receipt } from "../../core/request.ts";
import { requestIdOf, type RequestId, type SeqSource } from "../../core/request-id.ts";
import { crashPoint } from "../../engine/crash-point.ts";
import type { AcceptResult } from "../../engine/engine.ts";
import { ConflictError, LostError, UniqueError, type Connection, type Statement } from "./database.ts";
import type { Entry } from "./lane.ts";
import type { Outbox, OutboxRow } from "./outbox.ts";
import type { QueueNumbers } from "./queue-numbers.ts";
import { readStates } from "./read.ts";
import type { Room } from "./room.ts";
import { timeOfId } from "./state.ts";
import type { StoreClock } from "./store-clock.ts";

export const FIND_KEYS: Statement = {
  name: "find-keys",
  text: `SELECT k.queue, k.key, k.id, k.fingerprint FROM unnest($1::smallint[], $2::text[]) AS i (queue, key)
    JOIN sluice.keys k ON k.queue = i.queue AND k.key = i.key`,
};
/** The bodies come as one value and are cut up here: an array of bytea would travel as hex. */
const STORE: Statement = {
  name: "store",
  text: `WITH input AS (
      SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[])
        AS i (id, queue, key, content_type, headers, at, bytes)
    ), stored AS (
      INSERT INTO sluice.requests (id, queue, key, content_type, headers, bytes, body)
      SELECT id, queue, key, content_type, headers, bytes, substring($8::bytea FROM at FOR bytes) FROM input
    ), keyed AS (
      INSERT INTO sluice.keys (queue, key, id, fingerprint)
      SELECT * FROM unnest($9::smallint[], $10::text[], $11::uuid[], $12::bytea[])
    ), tallied AS (
      INSERT INTO sluice.tallies AS t (member, queue, accepted, backlog_bytes)
      SELECT $13::int, queue, count(*), sum(bytes) FROM input GROUP BY queue
      ON CONFLICT (member, queue) DO UPDATE
      SET accepted = t.accepted + excluded.accepted, backlog_bytes = t.backlog_bytes + excluded.backlog_bytes
    ), cleared AS (
      DELETE FROM sluice.outbox WHERE no = ANY ($14::bigint[])
    )
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, 'fresh', array_agg(id ORDER BY id) FROM input GROUP BY queue
    RETURNING no::int8, queue`,
};
/** Waits for a commit of this process that may still be under way, by the row that each of them changes. */
const AWAIT_TALLY: Statement = {
  name: "await-tally",
  text: "SELECT 1 FROM sluice.tallies WHERE member = $1 FOR UPDATE",
};
const HAS_REQUEST: Statement = { name: "has-request", text: "SELECT 1 FROM sluice.requests WHERE id = $1" };

/** How long a commit whose answer was lost is looked for before the caller is told that nobody knows. */
const lookMsMax = 8_000;
const lookAgainMs = 100;

/** Another gateway takes the same keys at the same time: as many rounds as it may win. */
const roundsMax = 20;

export interface AcceptOptions {
  readonly connection: Connection;
  readonly queues: QueueNumbers;
  readonly room: Room;
  readonly outbox: Outbox;
  readonly seqs: SeqSource;
  readonly clock: StoreClock;
  readonly member: () => number;
}

type AcceptEntry = Entry<readonly NewRequest[]>;

interface KnownKey {
  readonly id: RequestId;
  readonly fingerprint: Uint8Array;
  /** Stored before this group, or by a call of it. */
  readonly isStored: boolean;
}

interface Fresh {
  readonly id: RequestId;
  readonly request: NewRequest;
  readonly queue: number;
  readonly fingerprint: Uint8Array | undefined;
}

interface Answered {
  readonly entry: AcceptEntry;
  readonly result: AcceptResult;
}

export class Accepter {
  readonly #options: AcceptOptions;
  readonly #random = randomSource();

  constructor(options: AcceptOptions) {
    this.#options = options;
  }

  async commit(entries: readonly AcceptEntry[]): Promise<void> {
    const named = entries.flatMap(({ call }) => call.map(({ queue }) => queue));
    await this.#options.room.know(new Set(named));
    for (let round = 1; ; round += 1) {
      const { answered, fresh } = await this.#resolve(entries);
      try {
        if (fresh.length > 0) await this.#store(fresh);
        this.#options.room.stored();
      } catch (error) {
        if ((error instanceof UniqueError || error instanceof ConflictError) && round < roundsMax) continue;
        throw error;
      }
      crashPoint("accept-committed");
      for (const { entry, result } of answered) entry.answer(result as never);
      return;
    }
  }

  async #resolve(entries: readonly AcceptEntry[]): Promise<{ answered: Answered[]; fresh: Fresh[] }> {
    const known = await this.#knownKeys(entries);
    const fresh: Fresh[] = [];
    const answered: Answered[] = [];
    this.#options.room.begin();
    for (const entry of entries) answered.push({ entry, result: await this.#resolveCall(entry.call, known, fresh) });
    return { answered, fresh };
  }

  async #knownKeys(entries: readonly AcceptEntry[]): Promise<Map<string, KnownKey>> {
    const queues: number[] = [];
    const keys: string[] = [];
    for (const { call } of entries) {
      for (const { queue, key } of call) {
        if (key === undefined) continue;
        queues.push(this.#options.queues.noOf(queue));
        keys.push(key);
      }
    }
    if (keys.length === 0) return new Map();
    const rows = await this.#options.connection.rows<{
      queue: number;
      key: string;
      id: RequestId;
      fingerprint: Buffer;
    }>(FIND_KEYS, [queues, keys]);
    return new Map(
      rows.map(({ queue, key, id, fingerprint }) => [`${queue} ${key}`, { id, fingerprint, isStored: true }]),
    );
  }

  /** What one call comes to; adds what is new in it to what is known and fresh, or nothing of it. */
  async #resolveCall(call: readonly NewRequest[], known: Map<string, KnownKey>, fresh: Fresh[]): Promise<AcceptResult> {
    const own: Fresh[] = [];
    const ownKeys = new Map<string, KnownKey>();
    const receipts: Receipt[] = [];
    const repeats: number[] = [];
    for (const [index, request] of call.entries()) {
      const queue = this.#options.queues.noOf(request.queue);
      const fingerprint = request.key === undefined ? undefined : fingerprintOf(request.body);
      const name = `${queue} ${request.key}`;
      const before = request.key === undefined ? undefined : (ownKeys.get(name) ?? known.get(name));
      if (before !== undefined && Buffer.compare(before.fingerprint, fingerprint as Uint8Array) !== 0)
        return { kind: "key-reused", index }; // I5
      if (before !== undefined) {
        if (before.isStored) repeats.push(index);
        receipts.push(receiptOf(before.id, request.queue, true));
        continue;
      }
      const id = this.#newId();
      own.push({ id, request, queue, fingerprint });
      if (fingerprint !== undefined) ownKeys.set(name, { id, fingerprint, isStored: false });
      receipts.push(receiptOf(id, request.queue, false));
    }
    const full = await this.#options.room.take(own.map(({ request }) => request)); // I7
    if (full !== undefined) return { kind: "backlog-full", index: call.indexOf(full) };
    fresh.push(...own);
    for (const [name, key] of ownKeys) known.set(name, key);
    return { kind: "accepted", receipts: await this.#withStates(receipts, repeats) };
  }

  /** A repeat tells the state that its request has by now. */
  async #withStates(receipts: Receipt[], repeats: readonly number[]): Promise<readonly Receipt[]> {
    if (repeats.length === 0) return receipts;
    const { connection, clock } = this.#options;
    const ids = repeats.map((index) => (receipts[index] as Receipt).id);
    const states = await readStates(connection, ids, clock.now());
    return receipts.map((receipt) => ({ ...receipt, state: states.get(receipt.id) ?? receipt.state }));
  }

  async #store(fresh: readonly Fresh[]): Promise<void> {
    const { connection, outbox, member } = this.#options;
    const confirmed = outbox.takeConfirmed();
    const no = member();
    try {
      const rows = await connection.rows<{ no: string; queue: number }>(STORE, valuesOf(fresh, no, confirmed));
      outbox.tell(rows.map((row) => outboxRowOf(Number(row.no), row.queue, fresh)));
    } catch (error) {
      outbox.giveBack(confirmed);
      if (!(error instanceof LostError)) throw error;
      if (!(await this.#wasStored(fresh, no, error))) throw error;
    }
  }

  /** The connection went while a commit was under way: the ledger itself says whether it took (I1). */
  async #wasStored(fresh: readonly Fresh[], member: number, lost: LostError): Promise<boolean> {
    const { connection } = this.#options;
    const first = (fresh[0] as Fresh).id;
    const deadline = performance.now() + lookMsMax;
    for (;;) {
      try {
        await connection.rows(AWAIT_TALLY, [member]);
        // The relay tells the broker: the row of the outbox was committed along.
        return (await connection.rows(HAS_REQUEST, [first])).length > 0;
      } catch (error) {
        if (!(error instanceof SluiceError) || performance.now() > deadline) {
          throw new SluiceError("commit-unknown", `whether the commit took is not known: ${lost.message}`, {
            cause: error,
          });
        }
        await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
      }
    }
  }

  #newId(): RequestId {
    const { seqs, clock } = this.#options;
    return requestIdOf(seqs.next(clock.now()), this.#random());
  }
}

function receiptOf(id: RequestId, queue: string, isReplayed: boolean): Receipt {
  return { id, queue, state: "waiting", acceptedAt: timeOfId(id), isReplayed };
}

function outboxRowOf(no: number, queue: number, fresh: readonly Fresh[]): OutboxRow {
  return { no, queue, kind: "fresh", ids: fresh.filter((one) => one.queue === queue).map(({ id }) => id) };
}

function valuesOf(fresh: readonly Fresh[], member: number, confirmed: readonly number[]): unknown[] {
  const at: number[] = [];
  let bytes = 0;
  for (const { request } of fresh) {
    at.push(bytes + 1);
    bytes += request.body.byteLength;
  }
  const keyed = fresh.filter(({ fingerprint }) => fingerprint !== undefined).sort(byKey);
  return [
    fresh.map(({ id }) => id),
    fresh.map(({ queue }) => queue),
    fresh.map(({ request }) => request.key ?? null),
    fresh.map(({ request }) => request.contentType),
    fresh.map(({ request }) => (request.headers === undefined ? null : JSON.stringify(request.headers))),
    at,
    fresh.map(({ request }) => request.body.byteLength),
    Buffer.concat(fresh.map(({ request }) => request.body)),
    keyed.map(({ queue }) => queue),
    keyed.map(({ request }) => request.key),
    keyed.map(({ id }) => id),
    keyed.map(({ fingerprint }) => Buffer.from(fingerprint as Uint8Array)),
    member,
    confirmed,
  ];
}

/** In one order everywhere, so that two gateways with the same keys wait for each other and never in a circle. */
function byKey(left: Fresh, right: Fresh): number {
  if (left.queue !== right.queue) return left.queue - right.queue;
  return (left.request.key as string) < (right.request.key as string) ? -1 : 1;
}

/** Eight random bytes at a time out of a pool: a call to the system's source costs as much for 8 as for 8,192. */
function randomSource(): () => Uint8Array {
  const pool = new Uint8Array(8_192);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += 8;
    return pool.subarray(used - 8, used);
  };
}
