// Requests with an order key, a group or an urgency stand in lines beside the log: a row of `lined` each, from acceptance to the
// outcome. Which line goes next is chosen in memory, from the first of each line; the rows alone say what waits. Of an order key
// only the first can be ready.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { FairChoice, urgencyDefault, type Kind, type Line } from "../../core/fair-choice.ts";
import {
  groupSettingsOf,
  lineSettingsDefault,
  type GroupOverride,
  type GroupStatus,
  type HeldOrder,
  type LineCounts,
  type LineCountsBounds,
  type LineSettings,
} from "../../core/line-settings.ts";
import type { Placement } from "../../core/placement.ts";
import { firstSeqAt, requestIdOf, timeOfSeq } from "../../core/request-id.ts";
import type { FinalState } from "../../core/request.ts";
import type { QueueRow } from "./queue-ledger.ts";

const INSERT = `
  INSERT INTO lined (queue, seq, grp, urgency, place, order_key, turn, ready) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`;
const ORDER_IS_BUSY = "SELECT 1 FROM lined WHERE queue = ? AND order_key = ? LIMIT 1";
const FIRST_OF_ORDER = `
  SELECT l.seq, l.grp, l.urgency, l.place, l.ready, s.kind, s.due_at, s.started_at,
    EXISTS (SELECT 1 FROM running n WHERE n.seq = l.seq) AS is_running
  FROM lined l LEFT JOIN scheduled s ON s.seq = l.seq
  WHERE l.queue = ? AND l.order_key = ? ORDER BY l.turn, l.seq LIMIT 1`;
const COLUMNS = "seq, grp, urgency, place, order_key, ready";
const ROW = `SELECT ${COLUMNS} FROM lined WHERE queue = ? AND seq = ?`;
const SET_READY = "UPDATE lined SET ready = ? WHERE queue = ? AND seq = ?";
const TO_THE_END = "UPDATE lined SET ready = 0, place = ?, turn = ? WHERE queue = ? AND seq = ?";
const DELETE = "DELETE FROM lined WHERE queue = ? AND seq = ?";
const NEXT_DUE =
  "SELECT seq, due_at FROM scheduled WHERE queue = ? AND kind = 2 AND due_at <= ? ORDER BY due_at LIMIT 1000";
const SET_WOKEN = "UPDATE scheduled SET kind = 3 WHERE seq = ?";
/** Also of a queue in whose lines nothing is but dead ones that hold their order keys. */
const COUNT = "SELECT queue, grp, count(*) FILTER (WHERE ready <> 3) AS count FROM lined GROUP BY queue, grp";
const COUNT_RUNNING = `
  SELECT l.queue, l.grp, count(*) AS count FROM running n JOIN lined l ON l.queue = n.queue AND l.seq = n.seq GROUP BY 1, 2`;
const SCHEDULED = "SELECT kind, due_at, started_at FROM scheduled WHERE seq = ?";
const SETTINGS = "SELECT queue, grp, settings FROM group_settings";
const PUT_SETTINGS = `
  INSERT INTO group_settings (queue, grp, settings) VALUES (?, ?, ?)
  ON CONFLICT (queue, grp) DO UPDATE SET settings = excluded.settings`;
const DELETE_SETTINGS = "DELETE FROM group_settings WHERE queue = ? AND grp = ?";
const RELEASE = `
  DELETE FROM lined WHERE queue = :queue AND seq = (
    SELECT seq FROM lined WHERE queue = :queue AND order_key = :order AND ready = 3 ORDER BY turn, seq LIMIT 1)`;

const HELD = `
  SELECT l.order_key, l.seq, r.random, o.finished_at FROM lined l
  JOIN requests r ON r.seq = l.seq JOIN outcomes o ON o.seq = l.seq
  WHERE l.queue = ? AND l.ready = 3 AND NOT EXISTS (
    SELECT 1 FROM lined e WHERE e.queue = l.queue AND e.order_key = l.order_key AND e.ready = 3 AND (e.turn, e.seq) < (l.turn, l.seq))
  ORDER BY l.order_key LIMIT ?`;
const COUNT_HELD =
  "SELECT count(*) AS count FROM (SELECT DISTINCT order_key FROM lined INDEXED BY lined_held WHERE queue = ? AND ready = 3 LIMIT ?)";
const COUNT_BEHIND = `
  SELECT count(*) AS count FROM (SELECT 1 FROM lined WHERE queue = ? AND order_key = ? AND ready <> 3 LIMIT 1000)`;

const readyOf: Readonly<Record<Kind, number>> = { fresh: 1, again: 2 };
const kinds: readonly Kind[] = ["fresh", "again"];
const nobody = Number.POSITIVE_INFINITY;

interface LinedRow {
  readonly seq: number;
  readonly grp: string;
  readonly urgency: number;
  readonly place: number;
  readonly order_key: string | null;
  readonly ready: number;
}

interface Picked {
  readonly row: LinedRow;
  /** Of the one behind it. */
  readonly nextPlace: number | undefined;
}

interface ScheduledRow {
  readonly kind: number | null;
  readonly due_at: number | null;
  readonly started_at: number | null;
}

interface FirstRow extends LinedRow, ScheduledRow {
  readonly is_running: number;
}

const inLine = (kind: Kind): string => `queue = ? AND grp = ? AND urgency = ? AND ready = ${readyOf[kind]}`;

export class Lines {
  readonly #db: DatabaseSync;
  readonly #settings: ReadonlyMap<number, LineSettings>;
  readonly #overrides = new Map<number, Map<string, GroupOverride>>();
  /** Of the queues in which a request has, or had, a place in a line. */
  readonly #choices = new Map<number, FairChoice>();
  /** The first of the line that was picked last, until it is delivered. */
  #picked: Picked | undefined;
  /** What to take back if the transaction under way is undone. */
  #undo: (() => void)[] = [];
  readonly #insert: StatementSync;
  readonly #orderIsBusy: StatementSync;
  readonly #firstOfOrder: StatementSync;
  readonly #row: StatementSync;
  readonly #setReady: StatementSync;
  readonly #toTheEnd: StatementSync;
  readonly #delete: StatementSync;
  readonly #nextDue: StatementSync;
  readonly #setWoken: StatementSync;
  readonly #release: StatementSync;
  readonly #scheduled: StatementSync;
  readonly #heads: Readonly<Record<Kind, { first: StatementSync; next: StatementSync; after: StatementSync }>>;

  /** The settings by the numbers of the queues. */
  constructor(db: DatabaseSync, settings: ReadonlyMap<number, LineSettings>) {
    this.#db = db;
    this.#settings = settings;
    this.#insert = db.prepare(INSERT);
    this.#orderIsBusy = db.prepare(ORDER_IS_BUSY);
    this.#firstOfOrder = db.prepare(FIRST_OF_ORDER);
    this.#row = db.prepare(ROW);
    this.#setReady = db.prepare(SET_READY);
    this.#toTheEnd = db.prepare(TO_THE_END);
    this.#delete = db.prepare(DELETE);
    this.#nextDue = db.prepare(NEXT_DUE);
    this.#setWoken = db.prepare(SET_WOKEN);
    this.#release = db.prepare(RELEASE);
    this.#scheduled = db.prepare(SCHEDULED);
    const headsOf = (kind: Kind): { first: StatementSync; next: StatementSync; after: StatementSync } => ({
      first: db.prepare(`SELECT ${COLUMNS} FROM lined WHERE ${inLine(kind)} ORDER BY place, seq LIMIT 2`),
      next: db.prepare(`SELECT place FROM lined WHERE ${inLine(kind)} ORDER BY place LIMIT 1`),
      after: db.prepare(`
        SELECT grp, urgency, place FROM lined WHERE queue = ? AND (grp, urgency) > (?, ?) AND ready = ${readyOf[kind]}
        ORDER BY grp, urgency, place LIMIT 1`),
    });
    this.#heads = { fresh: headsOf("fresh"), again: headsOf("again") };
    for (const { queue, grp, settings: text } of db.prepare(SETTINGS).all())
      this.#overridesOf(Number(queue)).set(String(grp), JSON.parse(String(text)) as GroupOverride);
    for (const { queue, grp, count } of db.prepare(COUNT).all()) {
      this.#choiceOf(Number(queue)).addBacklog(String(grp), Number(count));
    }
    for (const { queue, grp, count } of db.prepare(COUNT_RUNNING).all())
      this.#choiceOf(Number(queue)).addInFlight(String(grp), Number(count));
    for (const no of this.#choices.keys()) this.#readHeads(no);
  }

  /** Of most queues none is known: their requests all stand in the log. */
  of(queue: number): FairChoice | undefined {
    return this.#choices.size === 0 ? undefined : this.#choices.get(queue);
  }

  /** Whether a group has room for so many more. */
  hasRoom(queue: number, group: string, count: number): boolean {
    const choice = this.#choiceOf(queue);
    return choice.hasRoom(choice.groupFor(group), count);
  }

  /** A new request takes its place; one that is scheduled is not ready before its time. */
  add(queue: number, seq: number, placement: Placement, notBefore: number | undefined): void {
    const choice = this.#choiceOf(queue);
    const { order, group = "", urgency = urgencyDefault } = placement;
    const line = { group: choice.groupFor(group), urgency };
    const place = notBefore === undefined ? seq : Math.max(seq, firstSeqAt(notBefore));
    const isReady =
      notBefore === undefined && (order === undefined || this.#orderIsBusy.get(queue, order) === undefined);
    this.#insert.run(queue, seq, line.group, urgency, place, order ?? null, seq, isReady ? 1 : 0);
    this.#addBacklog(queue, line.group, 1);
    if (isReady) this.#lower(queue, "fresh", line, place);
  }

  /** The first of a line that was picked. */
  firstOf(queue: number, kind: Kind, { group, urgency }: Line): number | undefined {
    const [row, next] = this.#heads[kind].first.all(queue, group, urgency) as unknown as readonly LinedRow[];
    this.#picked = row && { row, nextPlace: next?.place };
    return row?.seq;
  }

  /** It is delivered. */
  begun(queue: number, seq: number): void {
    const picked = this.#picked?.row.seq === seq ? this.#picked : undefined;
    this.#picked = undefined;
    const row = picked?.row ?? this.#find(queue, seq);
    if (row === undefined) return;
    this.#addInFlight(queue, row.grp, 1);
    this.#notReady(queue, row, picked);
  }

  /** Of its row in the schedule: see there. */
  kindOf(queue: number, seq: number): 0 | 2 {
    return this.#find(queue, seq) === undefined ? 0 : 2;
  }

  /** It comes back from its delivery, and has been scheduled: it is ready at once, or once it is due. */
  back(queue: number, seq: number, isDue: boolean): void {
    const row = this.#find(queue, seq);
    if (row === undefined) return;
    this.#addInFlight(queue, row.grp, -1);
    if (!isDue) return;
    this.#setWoken.run(seq);
    this.#become(queue, row, this.#scheduledKindOf(seq));
  }

  /** What is due by now goes to its line; whether there may be more. */
  wake(queue: number, now: number): boolean {
    const due = this.#nextDue.all(queue, now) as unknown as readonly { seq: number }[];
    for (const { seq } of due) {
      this.#setWoken.run(seq);
      const row = this.#find(queue, seq);
      if (row === undefined) continue;
      if (row.order_key === null) this.#become(queue, row, this.#scheduledKindOf(seq));
      else this.#promote(queue, row.order_key);
    }
    return due.length === 1_000;
  }

  /** It has its outcome. Of those that hold their order key the row stays. */
  ended(queue: number, seq: number, { state, wasRunning }: { state: FinalState; wasRunning: boolean }): void {
    const row = this.#find(queue, seq);
    if (row === undefined) return;
    if (wasRunning) this.#addInFlight(queue, row.grp, -1);
    this.#notReady(queue, row);
    const holds = row.order_key !== null && state === "dead" && this.#settings.get(queue)?.afterDead === "hold";
    this.#addBacklog(queue, row.grp, -1);
    if (holds) {
      this.#setReady.run(3, queue, seq);
      return;
    }
    this.#delete.run(queue, seq);
    if (row.order_key !== null) this.#promote(queue, row.order_key);
  }

  /** A dead request runs again: at the end of its line and of its order key. */
  revived(queue: number, seq: number, { placement, place }: { placement: Placement; place: number }): void {
    const row = this.#find(queue, seq);
    const { order, group = "", urgency = urgencyDefault } = placement;
    if (row === undefined) {
      const name = this.#choiceOf(queue).groupFor(group);
      this.#insert.run(queue, seq, name, urgency, place, order ?? null, place, 0);
      this.#addBacklog(queue, name, 1);
    } else {
      this.#toTheEnd.run(place, place, queue, seq);
      this.#addBacklog(queue, row.grp, 1);
    }
    if (order !== undefined) this.#promote(queue, order);
    else this.#become(queue, this.#find(queue, seq) as LinedRow, "fresh");
  }

  /** Lets an order key go on that a dead request holds; whether one did. */
  release(queue: number, order: string): boolean {
    const { changes } = this.#release.run({ queue, order });
    if (changes === 0) return false;
    this.#promote(queue, order);
    return true;
  }

  held(queue: number, max: number): readonly HeldOrder[] {
    return this.#db
      .prepare(HELD)
      .all(queue, max)
      .map((row) => ({
        order: String(row["order_key"]),
        by: requestIdOf(Number(row["seq"]), row["random"] as Uint8Array),
        since: Number(row["finished_at"]),
        waiting: Number(this.#db.prepare(COUNT_BEHIND).get(queue, String(row["order_key"]))?.["count"]),
      }));
  }

  /** Of the queues that have lines. */
  counts(queues: Iterable<QueueRow>, { groupsMax, heldMax }: LineCountsBounds): readonly LineCounts[] {
    const countHeld = this.#db.prepare(COUNT_HELD);
    const counts: LineCounts[] = [];
    for (const { no, name: queue } of queues) {
      const choice = this.#choices.get(no);
      const heldOrders = Number(countHeld.get(no, heldMax)?.["count"]);
      if (choice === undefined && heldOrders === 0) continue;
      const groups = (choice?.largest(groupsMax + 1) ?? []).filter(({ group }) => group !== "").slice(0, groupsMax);
      counts.push({ queue, groups, heldOrders });
    }
    return counts;
  }

  setGroup(queue: number, group: string, override: GroupOverride | undefined): void {
    const overrides = this.#overridesOf(queue);
    const before = overrides.get(group);
    const set = (value: GroupOverride | undefined): void => {
      if (value === undefined) overrides.delete(group);
      else overrides.set(group, value);
      this.#choices.get(queue)?.reset(group);
    };
    if (override === undefined) this.#db.prepare(DELETE_SETTINGS).run(queue, group);
    else this.#db.prepare(PUT_SETTINGS).run(queue, group, JSON.stringify(override));
    set(override);
    this.#undo.push(() => set(before));
  }

  /** What else was said of it stays. */
  pauseGroup(queue: number, group: string, isPaused: boolean): void {
    const { isPaused: _before, ...others } = this.#overridesOf(queue).get(group) ?? {};
    const override: GroupOverride = isPaused ? { ...others, isPaused } : others;
    const isSaid = Object.values(override).some((value) => value !== undefined);
    this.setGroup(queue, group, isSaid ? override : undefined);
  }

  groups(queue: number, max: number): readonly GroupStatus[] {
    const counts = this.#choices.get(queue)?.largest(max) ?? [];
    const overrides = this.#overridesOf(queue);
    const named = new Set(counts.map(({ group }) => group));
    const quiet = [...overrides.keys()].filter((group) => !named.has(group));
    return [...counts, ...quiet.map((group) => ({ group, backlog: 0, inFlight: 0 }))]
      .slice(0, max)
      .map((one) => ({ ...one, ...overrides.get(one.group) }));
  }

  /** The transaction is committed, or what has been noted so far stands whatever comes. */
  committed(): void {
    if (this.#undo.length > 0) this.#undo = [];
  }

  /** How far the transaction is. */
  get mark(): number {
    return this.#undo.length;
  }

  /** It was undone, up to that mark. */
  undone(mark = 0): void {
    for (const undo of this.#undo.splice(mark).toReversed()) undo();
    for (const no of this.#choices.keys()) this.#readHeads(no);
  }

  #find(queue: number, seq: number): LinedRow | undefined {
    return this.#choices.has(queue) ? (this.#row.get(queue, seq) as unknown as LinedRow | undefined) : undefined;
  }

  /** Lets the first of an order key become ready, unless it runs, is not due yet, or is dead and holds the key. */
  #promote(queue: number, order: string): void {
    const first = this.#firstOfOrder.get(queue, order) as unknown as FirstRow | undefined;
    if (first === undefined || first.ready !== 0 || first.is_running !== 0 || first.kind === 2) return;
    this.#become(queue, first, kindOf(first));
  }

  #scheduledKindOf(seq: number): Kind {
    return kindOf(this.#scheduled.get(seq) as unknown as ScheduledRow | undefined);
  }

  #become(queue: number, { seq, grp, urgency, place }: Omit<LinedRow, "order_key">, kind: Kind): void {
    this.#setReady.run(readyOf[kind], queue, seq);
    this.#lower(queue, kind, { group: grp, urgency }, place);
  }

  #lower(queue: number, kind: Kind, line: Line, place: number): void {
    const choice = this.#choiceOf(queue);
    const at = timeOfSeq(place);
    if (at < choice.headOf(kind, line)) choice.setHead(kind, line, at);
  }

  #notReady(queue: number, { seq, grp, urgency, ready }: LinedRow, picked?: Picked): void {
    if (ready !== 1 && ready !== 2) return;
    this.#setReady.run(0, queue, seq);
    const kind = ready === 1 ? "fresh" : "again";
    const place = picked
      ? picked.nextPlace
      : (this.#heads[kind].next.get(queue, grp, urgency)?.["place"] as number | undefined);
    this.#choiceOf(queue).setHead(kind, { group: grp, urgency }, place === undefined ? nobody : timeOfSeq(place));
  }

  #readHeads(queue: number): void {
    const choice = this.#choiceOf(queue);
    choice.clearHeads();
    for (const kind of kinds) {
      for (let [group, urgency] = ["", -1]; ;) {
        const row = this.#heads[kind].after.get(queue, group, urgency) as unknown as LinedRow | undefined;
        if (row === undefined) break;
        ({ grp: group, urgency } = row);
        choice.setHead(kind, { group, urgency }, timeOfSeq(row.place));
      }
    }
  }

  #addBacklog(queue: number, group: string, count: number): void {
    const choice = this.#choiceOf(queue);
    choice.addBacklog(group, count);
    this.#undo.push(() => choice.addBacklog(group, -count));
  }

  #addInFlight(queue: number, group: string, count: number): void {
    const choice = this.#choiceOf(queue);
    choice.addInFlight(group, count);
    this.#undo.push(() => choice.addInFlight(group, -count));
  }

  #choiceOf(queue: number): FairChoice {
    const found = this.#choices.get(queue);
    if (found !== undefined) return found;
    const settings = this.#settings.get(queue) ?? lineSettingsDefault;
    const choice = new FairChoice({
      riseMs: settings.riseMs,
      settingsOf: (group) => groupSettingsOf(settings, group, this.#overrides.get(queue)?.get(group)),
    });
    this.#choices.set(queue, choice);
    return choice;
  }

  #overridesOf(queue: number): Map<string, GroupOverride> {
    const found = this.#overrides.get(queue) ?? new Map<string, GroupOverride>();
    this.#overrides.set(queue, found);
    return found;
  }
}

/** One that was handed back untouched is due at 0, and one that is to begin later has not started. */
function kindOf(scheduled: ScheduledRow | undefined): Kind {
  if (scheduled === undefined || scheduled.started_at === null || scheduled.due_at === 0) return "fresh";
  return "again";
}
