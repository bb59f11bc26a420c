// Hands out what stands in lines: decides whose turn it is, in rounds of one transaction each, and tells the carriers of those alone.
// Run by the leader. A request that it has not handed out cannot be claimed, so hints may come in any order, twice or late. All
// that it decides is in the ledger; what it has in memory is read from there by the next leader, or after a round that failed.
import { lineSettingsDefault, type GroupOverride, type LineSettings } from "../../../core/line-settings.ts";
import { urgencyDefault, type Kind } from "../../../core/fair-choice.ts";
import { noPlacement } from "../../../core/placement.ts";
import type { RequestId } from "../../../core/request-id.ts";
import { readRequestHead } from "../../../core/stored-head.ts";
import { crashPoint } from "../../../engine/crash-point.ts";
import type { OutboxRow } from "../carriers/carrier.ts";
import { textArray } from "../ledger/connection/binary-array.ts";
import { ConflictError, type Changing, type Connected } from "../ledger/connection/database.ts";
import type { StoreClock } from "../ledger/connection/store-clock.ts";
import type { Outbox } from "../ledger/outbox.ts";
import type { QueueNumbers } from "../ledger/queue-numbers.ts";
import {
  ADD,
  ADMIT,
  ADVANCE,
  BACK,
  BEGUN,
  COUNTS,
  DELETE_EVENTS,
  DUE,
  EVENTS,
  FORGET_COUNTS,
  HANDED,
  HAND_OUT,
  HEADS,
  HINT,
  HOLD,
  LEFT,
  LET_GO,
  LINES,
  LOOK,
  OVERRIDES,
  PROMOTE,
  READY,
  READY_LINES,
  TELL_COUNTS,
  UNGROUP,
} from "./feeder-statements.ts";
import { HandOutPace } from "./hand-out-pace.ts";
import { ReadyLines, type Place, type Ready } from "./ready-lines.ts";

const kinds: readonly Kind[] = ["again", "fresh"];
const eventsMax = 1_000;
const newMax = 2_000;
const dueMax = 1_000;
const busyMs = 5;
const idleMsMax = 50;
const idleFactor = 1.5;
/** Of the last round in their average. */
const roundWeight = 1 / 8;
const secondMs = 1_000;
/** Where no queue has lines. */
const withoutMs = 1_000;
/** The counts of groups are told as often under load, and sooner when there is nothing else to do. */
const tellBusyMs = 1_000;
const tellIdleMs = 200;

export interface FeederOptions {
  readonly connection: Changing;
  readonly clock: StoreClock;
  readonly queues: QueueNumbers;
  readonly outbox: Outbox;
}

interface LookRow {
  readonly has_news: boolean;
  readonly round: number | null;
  readonly next_due_at: number | null;
}

interface LinedRow {
  readonly id: RequestId;
  readonly queue: number;
  readonly grp: string;
  readonly urgency: number;
  readonly order_key: string | null;
  readonly since: number;
  readonly is_again: boolean;
  readonly state: "new" | "behind" | "later" | "ready" | "handed";
}

interface LeftRow extends LinedRow {
  readonly no: number;
  readonly is_dead: boolean;
}

interface EventRow {
  readonly no: number;
  readonly kind: "left" | "back" | "replayed" | "released" | "said";
  readonly id: RequestId | null;
  readonly queue: number | null;
  readonly name: string | null;
  readonly place: number | null;
}

interface OrderKey {
  readonly queue: number;
  readonly order: string;
}

interface Picked {
  readonly id: RequestId;
  readonly queue: number;
  readonly kind: Kind;
}

/** What it knows of a queue. */
interface QueueLines {
  readonly lines: ReadyLines;
  readonly paces: Readonly<Record<Kind, HandOutPace>>;
}

export class Feeder {
  readonly #options: FeederOptions;
  /** By the numbers of the queues; undefined until it is read. */
  #known: Map<number, QueueLines> | undefined;
  /** The last one of which it knows; null before the first. */
  #roundNo: number | null = null;
  #toldAt = Number.NEGATIVE_INFINITY;
  #waitMs = busyMs;
  /** From one round to the next, of late. */
  #roundMs = idleMsMax;
  #fedAt = 0;

  constructor(options: FeederOptions) {
    this.#options = options;
  }

  /** Nothing is known any more: somebody else may have led meanwhile. */
  forget(): void {
    this.#known = undefined;
  }

  /** A round, if there is anything to do. Gives back after how many milliseconds the next one is due. */
  async feed(): Promise<number> {
    const { connection, clock, queues } = this.#options;
    const [look] = await connection.rows<LookRow>(LOOK);
    if (look?.round !== this.#roundNo) this.forget();
    this.#roundNo = look?.round ?? null;
    const isIdle = look?.has_news !== true && look?.next_due_at === null;
    if (isIdle && this.#known === undefined && !queues.someHasLines) return withoutMs;
    this.#noteRound();
    try {
      const known = (this.#known ??= await this.#load());
      await this.#noteBegun(known);
      const isDue = look?.has_news === true || (look?.next_due_at ?? Number.POSITIVE_INFINITY) <= clock.now();
      const handed = isDue || this.#mayHandOut(known) ? await this.#round(known) : 0;
      await this.#tellCounts(known, handed > 0 ? tellBusyMs : tellIdleMs);
      this.#waitMs = isDue || handed > 0 ? busyMs : Math.min(idleMsMax, this.#waitMs * idleFactor);
      return this.#waitMs;
    } catch (error) {
      this.forget(); // it may have gone through, or not
      throw error;
    }
  }

  #noteRound(): void {
    const now = performance.now();
    if (this.#waitMs === busyMs) this.#roundMs += roundWeight * (Math.min(secondMs, now - this.#fedAt) - this.#roundMs);
    this.#fedAt = now;
  }

  /** One transaction. Gives back how many were handed out. */
  async #round(known: Map<number, QueueLines>): Promise<number> {
    const { connection, clock, outbox } = this.#options;
    const { told, roundNo } = await connection.transaction(async (inside) => {
      const [advanced] = await inside.rows<{ round: number }>(ADVANCE);
      const roundNo = advanced?.round ?? 0;
      if (roundNo !== (this.#roundNo ?? 0) + 1)
        throw new ConflictError("this server has other rounds than the last one");
      const now = Math.floor(clock.now());
      const keys = await this.#takeEvents(inside, known, now);
      const admitted = await inside.rows<LinedRow>(ADMIT, [now, newMax]);
      await ungroup(inside, admit(known, admitted));
      if (keys.length > 0) addReady(known, await inside.rows<LinedRow>(PROMOTE, [...keyValues(keys), now]));
      addReady(known, await inside.rows<LinedRow>(DUE, [now, dueMax]));
      return { told: await this.#handOut(inside, known, now), roundNo };
    });
    this.#roundNo = roundNo;
    crashPoint("lines-handed-out");
    void outbox.tell(told);
    return told.reduce((count, { ids }) => count + ids.length, 0);
  }

  /** All that has happened since: who comes to a line later must find it done. Gives back the order keys that go on. */
  async #takeEvents(inside: Connected, known: Map<number, QueueLines>, now: number): Promise<readonly OrderKey[]> {
    const keys: OrderKey[] = [];
    for (;;) {
      const page = await inside.rows<EventRow>(EVENTS, [eventsMax]);
      const events = withoutRepeats(page);
      if (events.length === 0) return keys;
      keys.push(...(await this.#take(inside, known, { events, now })));
      await inside.rows(DELETE_EVENTS, [events.map(({ no }) => no)]);
      if (events.length === page.length && page.length < eventsMax) return keys;
    }
  }

  async #take(
    inside: Connected,
    known: Map<number, QueueLines>,
    { events, now }: { readonly events: readonly EventRow[]; readonly now: number },
  ): Promise<readonly OrderKey[]> {
    const of = (kind: EventRow["kind"]): RequestId[] =>
      events.flatMap((event) => (event.kind === kind && event.id !== null ? [event.id] : []));
    const keys: OrderKey[] = events.flatMap(({ kind, queue, name }) =>
      kind === "released" ? [{ queue: queue as number, order: name as string }] : [],
    );
    if (events.some(({ kind }) => kind === "said")) await this.#readSettings(inside, known);
    const [left, back] = [of("left"), of("back")];
    const replayed = events.filter(({ kind }) => kind === "replayed");
    const ended = [...left, ...back];
    const monotonic = performance.now();
    for (const { paces } of known.values()) for (const kind of kinds) paces[kind].began(ended, monotonic);
    if (left.length > 0) keys.push(...(await this.#leave(inside, known, { left, now })));
    if (back.length > 0) {
      const rows = await inside.rows<LinedRow>(BACK, [back, now]);
      for (const { queue, grp } of rows) linesOf(known, queue).count(grp, { inFlight: -1 });
      addReady(known, rows);
    }
    if (replayed.length > 0) keys.push(...(await addAgain(inside, replayed)));
    return keys;
  }

  async #leave(
    inside: Connected,
    known: Map<number, QueueLines>,
    { left, now }: { readonly left: readonly RequestId[]; readonly now: number },
  ): Promise<readonly OrderKey[]> {
    const keys: OrderKey[] = [];
    const holding: LeftRow[] = [];
    for (const row of await inside.rows<LeftRow>(LEFT, [left])) {
      const { queue, grp, order_key: order, state } = row;
      const lines = linesOf(known, queue);
      if (state !== "new") lines.count(grp, { backlog: -1, inFlight: state === "handed" ? -1 : 0 });
      if (state === "ready") lines.remove(placeOf(row), row.id);
      if (order === null) continue;
      if (row.is_dead && lines.settings.afterDead === "hold") holding.push(row);
      else if (state !== "new" && state !== "behind") keys.push({ queue, order });
    }
    if (holding.length > 0) {
      const values = [
        holding.map(({ queue }) => queue),
        textArray(holding.map(({ order_key: order }) => order as string)),
        holding.map(({ id }) => id),
        holding.map(({ no }) => no),
        now,
      ];
      await inside.rows(HOLD, values);
    }
    return keys;
  }

  async #handOut(inside: Connected, known: Map<number, QueueLines>, now: number): Promise<readonly OutboxRow[]> {
    const monotonic = performance.now();
    const picked: Picked[] = [];
    for (const [queue, { lines, paces }] of known) {
      if (this.#isPaused(queue)) continue;
      for (const kind of kinds) {
        for (let room = paces[kind].room(monotonic, this.#roundMs); room > 0; room -= 1) {
          await readDry(inside, queue, lines);
          const one = lines.pick(kind, now);
          if (one === undefined) break;
          picked.push({ id: one.ready.id, queue, kind });
          paces[kind].handed(one.ready.id, monotonic);
        }
      }
    }
    if (picked.length === 0) return [];
    const rows = await inside.rows<{ id: RequestId; is_suspect: boolean }>(HAND_OUT, [picked.map(({ id }) => id)]);
    const suspects = new Map(rows.map((row) => [row.id, row.is_suspect]));
    const hints = Map.groupBy(
      picked.filter(({ id }) => suspects.has(id)), // the others have ended, and will be heard of
      ({ id, queue, kind }) => `${queue} ${suspects.get(id) === true ? "suspect" : kind}`,
    );
    const told: OutboxRow[] = [];
    for (const [name, some] of hints) {
      const [queue, kind] = name.split(" ");
      told.push(...(await inside.rows<OutboxRow & object>(HINT, [Number(queue), kind, some.map(({ id }) => id)])));
    }
    return told;
  }

  #mayHandOut(known: ReadonlyMap<number, QueueLines>): boolean {
    const [now, monotonic] = [this.#options.clock.now(), performance.now()];
    return [...known].some(
      ([queue, { lines, paces }]) =>
        !this.#isPaused(queue) &&
        kinds.some((kind) => lines.choice.has(kind, now) && paces[kind].room(monotonic, this.#roundMs) > 0),
    );
  }

  #isPaused(queue: number): boolean {
    const { queues } = this.#options;
    return queues.isPaused(queues.nameOf(queue) ?? "");
  }

  async #noteBegun(known: ReadonlyMap<number, QueueLines>): Promise<void> {
    const paces = [...known.values()].flatMap((one) => kinds.map((kind) => one.paces[kind]));
    const unbegun = paces.flatMap((pace) => pace.unbegun());
    if (unbegun.length === 0) return;
    const rows = await this.#options.connection.rows<{ id: RequestId }>(BEGUN, [unbegun]);
    const begun = rows.map(({ id }) => id);
    for (const pace of paces) pace.began(begun, performance.now());
  }

  async #load(): Promise<Map<number, QueueLines>> {
    const { connection } = this.#options;
    const known = new Map<number, QueueLines>();
    await connection.transaction(async (inside) => {
      await this.#readSettings(inside, known);
      for (const { queue, grp, backlog, in_flight: inFlight } of await inside.rows<CountRow>(COUNTS))
        linesOf(known, queue).count(grp, { backlog, inFlight });
      for (const { id, queue, is_again: isAgain } of await inside.rows<HandedRow>(HANDED))
        ofQueue(known, queue).paces[isAgain ? "again" : "fresh"].handed(id, performance.now());
      for (const row of await inside.rows<LineRow>(READY_LINES))
        linesOf(known, row.queue).addRead(placeOf(row), [], true);
      for (const [queue, { lines }] of known) await readDry(inside, queue, lines);
      await inside.rows(FORGET_COUNTS);
    });
    return known;
  }

  async #readSettings(inside: Connected, known: Map<number, QueueLines>): Promise<void> {
    const overrides = Map.groupBy(
      await inside.rows<{ queue: number; grp: string; settings: GroupOverride }>(OVERRIDES),
      ({ queue }) => queue,
    );
    for (const { no, lines: own } of await inside.rows<{ no: number; lines: Partial<LineSettings> | null }>(LINES)) {
      const settings = { ...lineSettingsDefault, ...own };
      const ofGroups = new Map(overrides.get(no)?.map((row) => [row.grp, row.settings]));
      const before = known.get(no);
      if (before === undefined) known.set(no, newQueue(settings, ofGroups));
      else before.lines.setOverrides(settings, ofGroups);
    }
  }

  async #tellCounts(known: ReadonlyMap<number, QueueLines>, everyMs: number): Promise<void> {
    if (performance.now() - this.#toldAt < everyMs) return;
    this.#toldAt = performance.now();
    const told = [...known].flatMap(([queue, { lines }]) =>
      [...lines.dirty].map((group) => ({ queue, ...lines.choice.countsOf(group) })),
    );
    if (told.length === 0) return;
    const values = [
      told.map(({ queue }) => queue),
      textArray(told.map(({ group }) => group)),
      told.map(({ backlog }) => backlog),
      told.map(({ inFlight }) => inFlight),
    ];
    await this.#options.connection.transaction((inside) => inside.rows(TELL_COUNTS, values));
    for (const { lines } of known.values()) lines.dirty.clear();
  }
}

interface CountRow {
  readonly queue: number;
  readonly grp: string;
  readonly backlog: number;
  readonly in_flight: number;
}

interface HandedRow {
  readonly id: RequestId;
  readonly queue: number;
  readonly is_again: boolean;
}

type LineRow = Pick<LinedRow, "queue" | "grp" | "urgency" | "is_again">;

function newQueue(settings: LineSettings, overrides: ReadonlyMap<string, GroupOverride>): QueueLines {
  return {
    lines: new ReadyLines(settings, overrides),
    paces: { fresh: new HandOutPace(), again: new HandOutPace() },
  };
}

/** A queue whose first request in a line came in just now has no settings yet. */
function ofQueue(known: Map<number, QueueLines>, queue: number): QueueLines {
  const found = known.get(queue) ?? newQueue(lineSettingsDefault, new Map());
  known.set(queue, found);
  return found;
}

function linesOf(known: Map<number, QueueLines>, queue: number): ReadyLines {
  return ofQueue(known, queue).lines;
}

function placeOf({ grp, urgency, is_again: isAgain }: Omit<LineRow, "queue">): Place {
  return { kind: isAgain ? "again" : "fresh", group: grp, urgency };
}

function addReady(known: Map<number, QueueLines>, rows: readonly LinedRow[]): void {
  for (const row of rows) if (row.state === "ready") linesOf(known, row.queue).add(placeOf(row), row);
}

/** Gives back those that belong to more groups than there may be. */
function admit(known: Map<number, QueueLines>, rows: readonly LinedRow[]): readonly RequestId[] {
  const without: RequestId[] = [];
  for (const row of rows) {
    const lines = linesOf(known, row.queue);
    const grp = lines.choice.groupFor(row.grp);
    if (grp !== row.grp) without.push(row.id);
    lines.count(grp, { backlog: 1 });
    if (row.state === "ready") lines.add(placeOf({ ...row, grp }), row);
  }
  return without;
}

async function ungroup(inside: Connected, ids: readonly RequestId[]): Promise<void> {
  if (ids.length > 0) await inside.rows(UNGROUP, [ids]);
}

/** They were dead, and stand in line again, at the end. Gives back the order keys that they held. */
async function addAgain(inside: Connected, replayed: readonly EventRow[]): Promise<readonly OrderKey[]> {
  const ids = replayed.map(({ id }) => id);
  const places = new Map(replayed.map(({ id, place }) => [id, place]));
  const rows = await inside.rows<{ id: RequestId; queue: number; headers: string | null; due_at: number }>(HEADS, [
    ids,
  ]);
  const placed = rows.map(({ headers, ...row }) => ({
    ...row,
    ...(readRequestHead(headers).placement ?? noPlacement),
  }));
  await inside.rows(ADD, [
    placed.map(({ id }) => id),
    placed.map(({ queue }) => queue),
    textArray(placed.map(({ group = "" }) => group)),
    placed.map(({ urgency = urgencyDefault }) => urgency),
    textArray(placed.map(({ order }) => order)),
    placed.map(({ due_at: dueAt }) => dueAt),
    placed.map(({ id }) => places.get(id)),
  ]);
  const held = await inside.rows<{ queue: number; order_key: string }>(LET_GO, [ids]);
  return held.map(({ queue, order_key: order }) => ({ queue, order }));
}

/** Reads on where nothing of a line is in memory. */
async function readDry(inside: Connected, queue: number, lines: ReadyLines): Promise<void> {
  const dry = lines.dry();
  if (dry.length === 0) return;
  const max = lines.ofLineMax;
  const rows = await inside.rows<Ready & { readonly no: number }>(READY, [
    dry.map(() => queue),
    dry.map(({ place }) => place.kind === "again"),
    textArray(dry.map(({ place }) => place.group)),
    dry.map(({ place }) => place.urgency),
    dry.map(({ upTo }) => upTo.since),
    dry.map(({ upTo }) => upTo.id),
    max,
  ]);
  const read = Map.groupBy(rows, ({ no }) => no);
  for (const [index, { place }] of dry.entries()) {
    const found = read.get(index + 1) ?? [];
    lines.addRead(place, found, found.length === max);
  }
}

function keyValues(keys: readonly OrderKey[]): readonly unknown[] {
  const distinct = [...new Map(keys.map((key) => [`${key.queue} ${key.order}`, key])).values()];
  return [distinct.map(({ queue }) => queue), textArray(distinct.map(({ order }) => order))];
}

/** Up to where one of a request follows another of it: that one has its turn in the next round. */
function withoutRepeats(events: readonly EventRow[]): readonly EventRow[] {
  const seen = new Set<RequestId>();
  const end = events.findIndex(({ id }) => id !== null && (seen.has(id) || !seen.add(id)));
  return end === -1 ? events : events.slice(0, end);
}
