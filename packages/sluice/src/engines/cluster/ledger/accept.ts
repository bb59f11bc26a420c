// Takes requests in: one statement stores a group of calls, with their keys, their place in the counts and the row of
// the outbox that tells the broker of them. A call is stored whole or not at all; the group shares the commit.
import { SluiceError } from "../../../core/errors.ts";
import type { Durability } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import { requestHeadText } from "../../../core/stored-head.ts";
import { crashPoint } from "../../../engine/crash-point.ts";
import type { AcceptResult } from "../../../engine/engine.ts";
import { int2Array, int4Array, int8Array, textArray, uuidArray } from "./connection/binary-array.ts";
import { storeCallbacks } from "./callbacks.ts";
import { Chains, linkValues, storeLinks, type LinkedGroup } from "./chains.ts";
import { ConflictError, LostError, UniqueError, type Statement } from "./connection/database.ts";
import { committedWithoutRefused } from "./connection/lane.ts";
import { beginLines } from "./lines.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import type { Outbox } from "./outbox.ts";
import {
  noPlace,
  Resolver,
  type AcceptEntry,
  type Fresh,
  type LinePlace,
  type Repeated,
  type ResolveOptions,
  type Storable,
} from "./resolve.ts";
import { durabilityOf, onlyThePrimary, RESTS_ON, restsOn, type RestsOnRow } from "./connection/settings-check.ts";
import { highestId } from "./state.ts";

/** The bodies come as one value and are cut up here: an array of bytea would travel as hex. */
const STORED_INPUT = `WITH input AS (
      SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[],
        $15::int[]) AS i (id, queue, key, content_type, headers, at, bytes, link)
    ), stored AS (
      INSERT INTO sluice.requests (id, queue, key, content_type, headers, bytes, body)
      SELECT id, queue, key, content_type, headers, bytes, substring($8::bytea FROM at FOR bytes) FROM input
    ), keyed AS (
      INSERT INTO sluice.keys (queue, key, id, fingerprint)
      SELECT queue, key, id, substring($12::bytea FROM (32 * (no - 1) + 1)::int FOR 32)
      FROM unnest($9::smallint[], $10::text[], $11::uuid[]) WITH ORDINALITY AS i (queue, key, id, no)
    ), tallied AS (
      INSERT INTO sluice.tallies AS t (member, queue, accepted, backlog_bytes)
      SELECT $13::int, queue, count(*), sum(bytes) FROM input GROUP BY queue
      ON CONFLICT (member, queue) DO UPDATE
      SET accepted = t.accepted + excluded.accepted, backlog_bytes = t.backlog_bytes + excluded.backlog_bytes
    ), linked AS (
      ${storeLinks("input", 16)}
    ), cleared AS (
      DELETE FROM sluice.outbox WHERE no = ANY ($14::bigint[])
    )`;
const STORE: Statement = {
  name: "store",
  text: `${STORED_INPUT}
    INSERT INTO sluice.outbox (queue, kind, ids)
    SELECT queue, 'fresh', array_agg(id ORDER BY id) FROM input GROUP BY queue
    RETURNING no::int8, queue, ${restsOn}`,
};
/**
 * Where some want more: a callback, to begin later, or not too late. Takes the values of `extraValues` from `$from` on. Nobody is told of what
 * begins later: the scheduler sees to it. Its row was stored at 0, by no clock: the time is the sender's, and not as long after
 * `stored_at` as some wait (see scheduler.ts). One row at least comes back, without a number where nothing was listed.
 */
export const storeWithExtras = (from: number, also = ""): string => `${STORED_INPUT}, called AS (
      ${storeCallbacks(from)}
    ), scheduled AS (
      INSERT INTO sluice.schedule (id, queue, due_at, attempts, crashes, token, is_hinted, is_first, stored_at, in_line)
      SELECT id, queue, due_at, 0, 0, 0, false, in_line = 0, 0, in_line
      FROM unnest($${from + 3}::uuid[], $${from + 4}::smallint[], $${from + 5}::bigint[], $${from + 6}::smallint[])
        AS i (id, queue, due_at, in_line)
      RETURNING id
    ), expiring AS (
      INSERT INTO sluice.expiries (id, queue, expires_at)
      SELECT * FROM unnest($${from + 7}::uuid[], $${from + 8}::smallint[], $${from + 9}::bigint[])
    ), lined AS (
      INSERT INTO sluice.lined (id, queue, grp, urgency, order_key, since, due_at)
      SELECT * FROM unnest($${from + 10}::uuid[], $${from + 11}::smallint[], $${from + 12}::text[], $${from + 13}::smallint[],
        $${from + 14}::text[], $${from + 15}::bigint[], $${from + 16}::bigint[])
    )${also}, listed AS (
      INSERT INTO sluice.outbox (queue, kind, ids)
      SELECT queue, 'fresh', array_agg(id ORDER BY id) FROM input WHERE id NOT IN (SELECT id FROM scheduled) GROUP BY queue
      RETURNING no, queue
    )
    SELECT l.no::int8, l.queue, ${restsOn} FROM (VALUES (1)) one (row) LEFT JOIN listed l ON true`;
const STORE_WITH_EXTRAS: Statement = { name: "store-with-extras", text: storeWithExtras(24) };
/**
 * Ends a session that was lost: what it has not committed by then it never will. Gives it back as long as it is there. One that
 * waits for the standby has committed: it is left to wait, as its end would show others what no standby has.
 */
const END_SESSION: Statement = {
  name: "end-session",
  text: `SELECT CASE WHEN wait_event IS DISTINCT FROM 'SyncRep' THEN pg_terminate_backend(pid) END FROM pg_stat_activity
    WHERE pid = $1 AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()`,
};
/**
 * A commit of its own: once it is durable, so is all that was committed before, by any process. It waits for the rows that each
 * commit of this member changes, so that one under way is over by then.
 */
const CONFIRM: Statement = {
  name: "confirm",
  text: `INSERT INTO sluice.tallies AS t (member, queue) SELECT $1::int, i.queue FROM unnest($2::smallint[]) AS i (queue)
    ON CONFLICT (member, queue) DO UPDATE SET accepted = t.accepted RETURNING ${restsOn}`,
};
const beginConfirm = "BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '10s'";
/** After it, and with a snapshot of its own. */
export const STORED: Statement = {
  name: "stored",
  text: "SELECT id FROM sluice.requests WHERE id = ANY ($1::uuid[])",
};

/** The clock has stepped back since the mark was made. */
const LOWER_MARK: Statement = {
  name: "lower-mark",
  text: `UPDATE sluice.queues q SET fresh_from = i.id FROM unnest($1::smallint[], $2::uuid[]) AS i (no, id)
    WHERE q.no = i.no AND q.fresh_from > i.id`,
};

export const ADD_SENDERS: Statement = {
  name: "add-senders",
  text: "INSERT INTO sluice.senders (name) SELECT * FROM unnest($1::text[]) ON CONFLICT DO NOTHING",
};

/** How long a commit whose answer was lost is looked for before the caller is told that nobody knows. */
const lookMsMax = 8_000;
const lookAgainMs = 100;

/** Another gateway takes the same keys at the same time: as many rounds as it may win. */
const roundsMax = 20;
/** Rounds in which a known key may turn out to be of no request. */
const looksMax = 3;

export interface AcceptOptions extends ResolveOptions {
  readonly outbox: Outbox;
  readonly member: () => number;
  /** Whether what only the primary has gets no receipt. */
  readonly needsStandby: boolean;
}

export class Accepter {
  readonly #options: AcceptOptions;
  readonly #resolver: Resolver;
  readonly #chains = new Chains();
  /** Which this process was at the last commit in doubt: that commit holds the rows of its counts. */
  #doubtingMember = 0;
  /** Those that the ledger knows: see list.ts. */
  readonly #senders = new Set<string>();

  constructor(options: AcceptOptions) {
    this.#options = options;
    this.#resolver = new Resolver(options);
  }

  async commit(entries: readonly AcceptEntry[]): Promise<void> {
    await committedWithoutRefused(entries, (group) => this.#commit(group));
  }

  async #commit(entries: readonly AcceptEntry[]): Promise<void> {
    const { connection, queues } = this.#options;
    const all = entries.flatMap(({ call }) => call);
    await this.#options.room.know(new Set(all.map(({ queue }) => queue)));
    await beginLines(connection, queues, all);
    for (let round = 1; ; round += 1) {
      const { answered, fresh, repeated } = await this.#resolver.resolve(entries);
      let durability: Durability;
      try {
        const known = repeated.length > 0 ? await this.#confirm(repeated, this.#options.member()) : undefined;
        if (known === "not all" && round < looksMax) continue; // the read was of another server, or of a moment ago
        if (known === "not all") return await this.#eachAlone(entries);
        const stored = fresh.length > 0 ? await this.#store(fresh) : undefined;
        durability = stored === "postgres" ? stored : (known ?? stored ?? "postgres");
        this.#refuseOnlyPrimary(durability);
        this.#options.room.stored();
        this.#options.groupRoom.stored();
      } catch (error) {
        if ((error instanceof UniqueError || error instanceof ConflictError) && round < roundsMax) continue;
        throw error;
      }
      crashPoint("accept-committed");
      if (durability !== "postgres") for (const { result } of answered) noteDurability(result, durability);
      for (const { entry, result } of answered) entry.answer(result);
      return;
    }
  }

  /** A key of theirs is known, and its request is not there: only the calls that bring it fail. */
  async #eachAlone(entries: readonly AcceptEntry[]): Promise<void> {
    const [only] = entries;
    if (entries.length === 1)
      return only?.fail(
        new SluiceError("store-damaged", "a key is known whose request is not there: run sluice audit"),
      );
    for (const entry of entries) await this.#commit([entry]).catch((error: unknown) => entry.fail(error));
  }

  async #store(fresh: readonly Fresh[]): Promise<Durability> {
    const { connection, outbox, member } = this.#options;
    const no = member();
    await this.#resolveDoubt();
    const confirmed = outbox.takeConfirmed();
    const group = this.#chains.next(fresh);
    try {
      await this.#lowerMarks(group);
      await this.#addSenders(fresh);
      const heads = fresh.map(({ request }) => requestHeadText(request));
      const values = [
        ...storeValues(fresh, { heads, member: no, confirmed }),
        int4Array(group.linkNos),
        ...linkValues(group),
      ];
      const hasExtras = fresh.some(({ request, place }) => request.callback !== undefined || place !== noPlace);
      const statement = hasExtras ? STORE_WITH_EXTRAS : STORE;
      if (hasExtras) values.push(...extraValues(fresh));
      const rows = await connection.rows<RestsOnRow & ListedRow>(statement, values);
      void outbox.tell(listedOf(rows, fresh));
      // What is refused below is in doubt: a standby that takes over without it has no gap there.
      this.#doubt(group, no);
      const durability = await this.#durabilityBy(rows[0] as RestsOnRow);
      this.#refuseOnlyPrimary(durability);
      this.#chains.resolve(true);
      return durability;
    } catch (error) {
      outbox.giveBack(confirmed);
      if (!(error instanceof LostError)) throw error;
      this.#doubt(group, no);
      return await this.#resolve(fresh, no, error);
    }
  }

  #isRefused(durability: Durability): boolean {
    return this.#options.needsStandby && durability !== "postgres+standby";
  }

  #refuseOnlyPrimary(durability: Durability): void {
    if (this.#isRefused(durability)) throw inDoubt(onlyThePrimary());
  }

  #doubt(group: LinkedGroup, member: number): void {
    this.#chains.doubt(group);
    this.#doubtingMember = member;
  }

  /** The chain goes on behind a commit in doubt, or without it; while it may come to either, nothing is stored. */
  async #resolveDoubt(): Promise<void> {
    const [first] = this.#chains.doubted?.links ?? [];
    if (first === undefined) return;
    const { queue } = first;
    const durability = await this.#confirm([{ id: first.first, queue }], this.#doubtingMember);
    if (durability !== "not all") this.#refuseOnlyPrimary(durability);
    this.#chains.resolve(durability !== "not all");
  }

  /** What it throws says nothing against the commit: it took. */
  async #durabilityBy(row: RestsOnRow): Promise<Durability> {
    try {
      return await this.#durabilityNow(row);
    } catch (error) {
      throw error instanceof SluiceError && !(error instanceof LostError) ? inDoubt(error) : error;
    }
  }

  async #durabilityNow(row: RestsOnRow): Promise<Durability> {
    const durability = durabilityOf(row);
    if (durability === "postgres") return durability;
    const { connection } = this.#options;
    // An administrator who removes the standbys from the settings releases all commits that wait for one, without a word.
    const { connects } = connection;
    const [now] = await connection.rows<RestsOnRow & object>(RESTS_ON);
    if (connection.connects !== connects)
      throw new LostError(new Error("another server was asked what the commit rests on"));
    return durabilityOf(now as RestsOnRow);
  }

  /** Makes sure of what a read has shown: a receipt rests on a commit that is durable, never on what can be seen (I1). */
  async #confirm(some: readonly Repeated[], member: number): Promise<Durability | "not all"> {
    const ids = [...new Set(some.map(({ id }) => id))];
    const queues = [...new Set(some.map(({ queue }) => queue))];
    const { row, isStored } = await this.#options.connection.transaction(async (inside) => {
      const [row] = await inside.rows<RestsOnRow & object>(CONFIRM, [member, queues]);
      const stored = await inside.rows(STORED, [ids]);
      return { row: row as RestsOnRow, isStored: stored.length === ids.length };
    }, beginConfirm);
    return isStored ? this.#durabilityBy(row) : "not all";
  }

  /** Before the requests are stored: whoever looks from a mark on must find them. */
  async #lowerMarks({ links }: LinkedGroup): Promise<void> {
    const { connection, queues } = this.#options;
    const lowest = new Map<number, RequestId>();
    for (const { queue, first } of links)
      if (queues.isBehindMark(queue, first) && first < (lowest.get(queue) ?? highestId)) lowest.set(queue, first);
    if (lowest.size > 0) await connection.rows(LOWER_MARK, [[...lowest.keys()], [...lowest.values()]]);
  }

  async #addSenders(fresh: readonly Fresh[]): Promise<void> {
    const unknown = new Set<string>();
    for (const { request } of fresh)
      if (request.sender !== undefined && !this.#senders.has(request.sender)) unknown.add(request.sender);
    if (unknown.size === 0) return;
    await this.#options.connection.rows(ADD_SENDERS, [[...unknown].toSorted()]);
    for (const sender of unknown) this.#senders.add(sender);
  }

  async #isAtIt({ session }: LostError): Promise<boolean> {
    if (session === undefined) return false;
    return (await this.#options.connection.rows(END_SESSION, [session])).length > 0;
  }

  /** The connection went while a commit was under way: the ledger itself says whether it took (I1). Throws `lost` if not. */
  async #resolve(fresh: readonly Fresh[], member: number, lost: LostError): Promise<Durability> {
    const deadline = performance.now() + lookMsMax;
    for (;;) {
      try {
        if (await this.#isAtIt(lost))
          throw new SluiceError("store-unavailable", "the session that was lost is at it still");
        // The row of the outbox was committed along: workers find it there.
        const durability = await this.#confirm(fresh, member);
        if (durability === "not all" && lost.session === undefined) break;
        if (durability !== "not all" && this.#isRefused(durability)) return durability; // in doubt still
        this.#chains.resolve(durability !== "not all");
        if (durability !== "not all") return durability;
      } catch (error) {
        const isPassing = error instanceof SluiceError || error instanceof ConflictError;
        if (!isPassing || performance.now() > deadline) throw unknown(lost, error);
        await new Promise((resolve) => setTimeout(resolve, lookAgainMs));
        continue;
      }
      throw lost;
    }
    // Behind a pooler nobody can end its session, which may be about to store it.
    this.#chains.abandon();
    throw unknown(lost, lost);
  }
}

function inDoubt({ code, message, cause }: SluiceError): SluiceError {
  return new SluiceError(code, message, { cause, isInDoubt: true });
}

function unknown({ message }: LostError, cause: unknown): SluiceError {
  return new SluiceError("commit-unknown", `whether the commit took is not known: ${message}`, {
    cause,
    isInDoubt: true,
  });
}

/** Receipts are made before the commit that says what they are worth. */
function noteDurability(result: AcceptResult, durability: Durability): void {
  if (result.kind !== "accepted") return;
  for (const receipt of result.receipts as readonly { durability: Durability }[]) receipt.durability = durability;
}

/** A row of the outbox; null where there is none. */
export interface ListedRow {
  readonly no: string | null;
  readonly queue: number;
}

/** What the rows of the outbox tell of. */
export function listedOf(rows: readonly ListedRow[], fresh: readonly Storable[]): readonly OutboxRow[] {
  return rows.flatMap(({ no, queue }) => {
    const own = fresh.filter((one) => one.queue === queue && isHinted(one));
    return no === null ? [] : [{ no: Number(no), queue, kind: "fresh", ids: own.map(({ id }) => id) }];
  });
}

/** A request that waits for its time, or in a line, gets no hint when it is accepted. */
function isHinted({ place: { dueAt, line } }: Storable): boolean {
  return dueAt === undefined && line === undefined;
}

export interface StoreContext {
  /** What each request has in \`headers\`. */
  readonly heads: readonly (string | undefined)[];
  /** In whose row they are counted. */
  readonly member: number;
  /** Rows of the outbox that are cleared on the way. */
  readonly confirmed: readonly number[];
}

/** The first values of \`store\`; those of the links follow, then those of what it does besides. */
export function storeValues(fresh: readonly Storable[], { heads, member, confirmed }: StoreContext): unknown[] {
  const at: number[] = [];
  let bytes = 0;
  for (const { request } of fresh) {
    at.push(bytes + 1);
    bytes += request.body.byteLength;
  }
  const keyed = fresh.filter(({ fingerprint }) => fingerprint !== undefined).sort(byKey);
  return [
    uuidArray(fresh.map(({ id }) => id)),
    int2Array(fresh.map(({ queue }) => queue)),
    textArray(fresh.map(({ storedKey }) => storedKey)),
    textArray(fresh.map(({ request }) => request.contentType)),
    textArray(heads),
    int4Array(at),
    int4Array(fresh.map(({ request }) => request.body.byteLength)),
    Buffer.concat(fresh.map(({ request }) => request.body)),
    int2Array(keyed.map(({ queue }) => queue)),
    textArray(keyed.map(({ storedKey }) => storedKey)),
    uuidArray(keyed.map(({ id }) => id)),
    Buffer.concat(keyed.map(({ fingerprint }) => fingerprint as Uint8Array)),
    member,
    int8Array(confirmed),
  ];
}

/** As \`storeWithExtras\` takes them. */
export function extraValues(fresh: readonly Storable[]): readonly unknown[] {
  const called = fresh.filter(({ request }) => request.callback !== undefined);
  const scheduled = fresh.filter(({ place }) => place.dueAt !== undefined || place.line !== undefined);
  const lined = fresh.flatMap(({ id, queue, place: { line, dueAt } }) =>
    line === undefined ? [] : [{ ...line, id, queue, dueAt: dueAt ?? line.since }],
  );
  const expiring = fresh.filter(({ place }) => place.expiresAt !== undefined);
  return [
    ...idsAndQueues(called),
    textArray(called.map(({ request }) => request.callback)),
    ...idsAndQueues(scheduled),
    int8Array(scheduled.map(({ place }) => place.dueAt ?? (place.line as LinePlace).since)),
    int2Array(scheduled.map(({ place }) => (place.line === undefined ? 0 : 1))),
    ...idsAndQueues(expiring),
    int8Array(expiring.map(({ place }) => place.expiresAt as number)),
    ...idsAndQueues(lined),
    textArray(lined.map(({ group }) => group)),
    int2Array(lined.map(({ urgency }) => urgency)),
    textArray(lined.map(({ order }) => order)),
    int8Array(lined.map(({ since }) => since)),
    int8Array(lined.map(({ dueAt }) => dueAt)),
  ];
}

function idsAndQueues(some: readonly Pick<Storable, "id" | "queue">[]): readonly unknown[] {
  return [uuidArray(some.map(({ id }) => id)), int2Array(some.map(({ queue }) => queue))];
}

/** In one order everywhere, so that two gateways with the same keys wait for each other and never in a circle. */
function byKey(left: Storable, right: Storable): number {
  if (left.queue !== right.queue) return left.queue - right.queue;
  return (left.storedKey as string) < (right.storedKey as string) ? -1 : 1;
}
