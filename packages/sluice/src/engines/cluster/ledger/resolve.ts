// What a group of calls comes to before it is stored: which keys are known, what is new and gets its id, and whether there
// is room for it. It reads the ledger only where what is known does not tell.
import { bodyHashOf, type BodyHash } from "../../../core/body-hash.ts";
import { fingerprintOf, storedKeyOf } from "../../../core/idempotency-key.ts";
import { urgencyDefault } from "../../../core/fair-choice.ts";
import { noPlacement, type Placement } from "../../../core/placement.ts";
import type { NewRequest, Receipt, State } from "../../../core/request.ts";
import { requestIdOf, timeOfId, type RequestId, type SeqSource } from "../../../core/request-id.ts";
import type { AcceptResult } from "../../../engine/engine.ts";
import { randomSource } from "../../shared/random-source.ts";
import { int2Array, textArray } from "./connection/binary-array.ts";
import type { Connection, Statement } from "./connection/database.ts";
import type { Entry } from "./connection/lane.ts";
import type { QueueNumbers } from "./queue-numbers.ts";
import { readStates } from "./read.ts";
import type { GroupRoom } from "./group-room.ts";
import type { Room } from "./room.ts";
import type { StoreClock } from "./connection/store-clock.ts";

export const FIND_KEYS: Statement = {
  name: "find-keys",
  text: `SELECT k.queue, k.key, k.id, k.fingerprint FROM unnest($1::smallint[], $2::text[]) AS i (queue, key)
    JOIN sluice.keys k ON k.queue = i.queue AND k.key = i.key`,
};

export interface ResolveOptions {
  readonly connection: Connection;
  readonly queues: QueueNumbers;
  readonly room: Room;
  readonly groupRoom: GroupRoom;
  readonly seqs: SeqSource;
  readonly clock: StoreClock;
}

export type AcceptEntry = Entry<readonly NewRequest[]>;

interface KnownKey {
  readonly id: RequestId;
  readonly fingerprint: Uint8Array;
  /** Stored before this group, or by a call of it. */
  readonly isStored: boolean;
  /** As far as is known here. */
  readonly state: State;
}

/** A request that is new, with the id that it gets. */
export interface Fresh extends Storable {
  readonly request: NewRequest;
}

/** What the ledger stores of it. */
export interface Storable {
  readonly id: RequestId;
  readonly request: Pick<NewRequest, "contentType" | "body" | "callback">;
  /** Its key as it is stored: see storedKeyOf. */
  readonly storedKey: string | undefined;
  readonly queue: number;
  readonly bodyHash: BodyHash;
  readonly fingerprint: Uint8Array | undefined;
  readonly place: Place;
}

/** Where its placement puts a request at its acceptance, in whole milliseconds. */
export interface Place {
  /** When it comes due; undefined where it waits from the start. */
  readonly dueAt: number | undefined;
  readonly expiresAt: number | undefined;
  /** Undefined where it stands in no line, but waits for its hint alone. */
  readonly line: LinePlace | undefined;
}

export interface LinePlace {
  readonly group: string;
  readonly urgency: number;
  readonly order: string | undefined;
  readonly since: number;
}

export const noPlace: Place = { dueAt: undefined, expiresAt: undefined, line: undefined };

/** In a queue with lines every request stands in one. */
export function placeOf(placement: Placement | undefined, now: number, hasLines: boolean): Place {
  if (placement === undefined && !hasLines) return noPlace;
  const { notBefore, expiresAt, order, group = "", urgency = urgencyDefault } = placement ?? noPlacement;
  const dueAt = notBefore === undefined || notBefore <= now ? undefined : Math.ceil(notBefore);
  return {
    dueAt,
    expiresAt: expiresAt === undefined ? undefined : Math.ceil(expiresAt),
    line: hasLines ? { group, urgency, order, since: dueAt ?? Math.floor(now) } : undefined,
  };
}

/** What a group has come to so far. */
interface Group {
  readonly known: Map<string, KnownKey>;
  readonly fresh: Fresh[];
  readonly repeated: Repeated[];
}

type KeyReused = Extract<AcceptResult, { readonly kind: "key-reused" }>;

interface Named {
  readonly kind: "named";
  readonly own: readonly Fresh[];
  readonly ownKeys: ReadonlyMap<string, KnownKey>;
  readonly receipts: readonly Receipt[];
  /** Places of those that were stored before. */
  readonly repeats: readonly number[];
}

/** With what notes that its new ones are to be stored. */
interface Settled extends Named {
  readonly add: () => void;
}

/** What was stored before, as far as a read can tell. */
export interface Repeated {
  readonly id: RequestId;
  readonly queue: number;
}

/** What is to be stored, and what each call is to be answered once it is. */
export interface Resolved {
  readonly answered: readonly Answered[];
  readonly fresh: readonly Fresh[];
  readonly repeated: readonly Repeated[];
}

export interface Answered {
  readonly entry: AcceptEntry;
  readonly result: AcceptResult;
}

export class Resolver {
  readonly #options: ResolveOptions;
  readonly #random = randomSource();

  constructor(options: ResolveOptions) {
    this.#options = options;
  }

  async resolve(entries: readonly AcceptEntry[]): Promise<Resolved> {
    const known = await this.#knownKeys(entries);
    const fresh: Fresh[] = [];
    const repeated: Repeated[] = [];
    const answered: Answered[] = [];
    this.#options.room.begin();
    this.#options.groupRoom.begin();
    for (const entry of entries) {
      const resolved = this.#resolveCall(entry.call, { known, fresh, repeated });
      // Most are resolved already: a turn of the queue of promises for each of them would be felt.
      answered.push({ entry, result: resolved instanceof Promise ? await resolved : resolved });
    }
    return { answered, fresh, repeated };
  }

  async #knownKeys(entries: readonly AcceptEntry[]): Promise<Map<string, KnownKey>> {
    const queues: number[] = [];
    const keys: string[] = [];
    for (const { call } of entries) {
      for (const request of call) {
        const { key, sender } = request;
        if (key === undefined) continue;
        const queue = this.#options.queues.noOf(request.queue);
        queues.push(queue);
        keys.push(storedKeyOf(request) as string);
        if (sender === undefined) continue;
        queues.push(queue); // a key that is stored without its sender may be anybody's: see #resolveKeys
        keys.push(key);
      }
    }
    if (keys.length === 0) return new Map();
    const rows = await this.#options.connection.rows<{
      queue: number;
      key: string;
      id: RequestId;
      fingerprint: Buffer;
    }>(FIND_KEYS, [int2Array(queues), textArray(keys)]);
    return new Map(
      rows.map(({ queue, key, id, fingerprint }) => [
        `${queue} ${key}`,
        { id, fingerprint, isStored: true, state: "waiting" },
      ]),
    );
  }

  /** What one call comes to; adds what is new in it to what is known and fresh, or nothing of it. */
  #resolveCall(call: readonly NewRequest[], { known, fresh, repeated }: Group): AcceptResult | Promise<AcceptResult> {
    const named = this.#resolveKeys(call, known);
    if (named.kind === "key-reused") return named; // I5
    const { own, ownKeys, receipts, repeats } = named;
    for (const index of repeats) {
      const { id, queue } = receipts[index] as Receipt;
      repeated.push({ id, queue: this.#options.queues.noOf(queue) });
    }
    const add = (): void => {
      fresh.push(...own);
      for (const [name, key] of ownKeys) known.set(name, key);
    };
    const settled = { ...named, add };
    return own.some(({ place }) => place.line !== undefined)
      ? this.#takeGroupRoom(call, settled)
      : this.#takeRoom(call, settled);
  }

  async #takeGroupRoom(call: readonly NewRequest[], settled: Settled): Promise<AcceptResult> {
    const full = await this.#options.groupRoom.take(settled.own);
    if (full !== undefined) return { kind: "group-full", index: call.indexOf(full.request) };
    return this.#takeRoom(call, settled);
  }

  #takeRoom(call: readonly NewRequest[], settled: Settled): AcceptResult | Promise<AcceptResult> {
    const { own, receipts, repeats, add } = settled;
    const wanted = own.map(({ request }) => request);
    const full = this.#options.room.take(wanted); // I7
    if (full !== undefined) return this.#resolveFull(call, wanted, settled);
    add();
    return repeats.length === 0 ? { kind: "accepted", receipts } : this.#withStates(receipts, repeats);
  }

  /** There is no room, by what is known: the ledger may know better. */
  async #resolveFull(
    call: readonly NewRequest[],
    wanted: readonly NewRequest[],
    { receipts, repeats, add }: Settled,
  ): Promise<AcceptResult> {
    const full = await this.#options.room.takeAfresh(wanted);
    if (full !== undefined) return { kind: "backlog-full", index: call.indexOf(full) };
    add();
    return this.#withStates(receipts, repeats);
  }

  /** The receipts of one call, by its keys. */
  #resolveKeys(call: readonly NewRequest[], known: Group["known"]): Named | KeyReused {
    const own: Fresh[] = [];
    const ownKeys = new Map<string, KnownKey>();
    const receipts: Receipt[] = [];
    const repeats: number[] = [];
    const now = this.#options.clock.now();
    for (const [index, request] of call.entries()) {
      const queue = this.#options.queues.noOf(request.queue);
      const bodyHash = bodyHashOf(request.body);
      const fingerprint = request.key === undefined ? undefined : fingerprintOf(bodyHash, request);
      const storedKey = storedKeyOf(request);
      const name = `${queue} ${storedKey}`;
      let before = fingerprint && (ownKeys.get(name) ?? known.get(name));
      // A key that is stored without its sender may be anybody's: accepted again, it would be done twice.
      if (fingerprint !== undefined && request.sender !== undefined) before ??= known.get(`${queue} ${request.key}`);
      if (before !== undefined && Buffer.compare(before.fingerprint, fingerprint as Uint8Array) !== 0)
        return { kind: "key-reused", index };
      if (before !== undefined) {
        if (before.isStored) repeats.push(index);
        receipts.push(receiptOf(request.queue, before, true));
        continue;
      }
      const id = this.#newId(now);
      const place = placeOf(request.placement, now, this.#options.queues.hasLines(queue));
      const state = place.dueAt === undefined ? "waiting" : "scheduled";
      own.push({ id, request, storedKey, queue, bodyHash, fingerprint, place });
      if (fingerprint !== undefined) ownKeys.set(name, { id, fingerprint, isStored: false, state });
      receipts.push(receiptOf(request.queue, { id, state }, false));
    }
    return { kind: "named", own, ownKeys, receipts, repeats };
  }

  /** A repeat tells the state that its request has by now. */
  async #withStates(receipts: readonly Receipt[], repeats: readonly number[]): Promise<AcceptResult> {
    if (repeats.length === 0) return { kind: "accepted", receipts };
    const { connection, clock } = this.#options;
    const ids = repeats.map((index) => (receipts[index] as Receipt).id);
    const states = await readStates(connection, ids, clock.now());
    const withStates = receipts.map((receipt) => ({ ...receipt, state: states.get(receipt.id) ?? receipt.state }));
    return { kind: "accepted", receipts: withStates };
  }

  #newId(now: number): RequestId {
    return requestIdOf(this.#options.seqs.next(now), this.#random());
  }
}

function receiptOf(queue: string, { id, state }: Pick<KnownKey, "id" | "state">, isReplayed: boolean): Receipt {
  return { id, queue, state, acceptedAt: timeOfId(id), isReplayed, durability: "postgres" };
}
