// The bounds of groups, as far as one process knows how much each has waiting: the feeder's counts of a moment ago, and what this
// process has accepted since. What other processes accept within that moment may go beyond a bound.
import { groupSettingsOf, lineSettingsDefault, type GroupOverride } from "../../../core/line-settings.ts";
import type { QueueBounds } from "../../../engine/engine.ts";
import { int2Array, textArray } from "./connection/binary-array.ts";
import type { Connected, Statement } from "./connection/database.ts";
import type { Place } from "./resolve.ts";

const OVERRIDES: Statement = {
  name: "group-bounds",
  text: "SELECT q.name, g.grp, g.settings FROM sluice.groups g JOIN sluice.queues q ON q.no = g.queue WHERE g.settings IS NOT NULL",
};
const COUNT: Statement = {
  name: "group-backlogs",
  text: `SELECT i.no::int, coalesce(g.backlog, 0)::float8 AS count
    FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS i (queue, grp, no)
    LEFT JOIN sluice.groups g ON g.queue = i.queue AND g.grp = i.grp`,
};
const freshMs = 1_000;
const knownMax = 10_000;

/** What is about to stand in a line of a queue. */
export interface Standing {
  readonly queue: number;
  readonly place: Place;
  readonly request: { readonly queue: string };
}

interface Known {
  count: number;
  readonly readAt: number;
}

interface Bounded<Some> {
  readonly one: Some;
  readonly max: number;
  readonly name: string;
}

export class GroupRoom {
  readonly #connection: Connected;
  readonly #settings: ReadonlyMap<string, QueueBounds["lines"]>;
  #overrides: ReadonlyMap<string, GroupOverride> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  readonly #known = new Map<string, Known>();
  /** Taken by the calls that are being resolved. */
  #taken = new Map<string, number>();

  constructor(connection: Connected, queues: readonly QueueBounds[]) {
    this.#connection = connection;
    this.#settings = new Map(queues.map(({ name, lines }) => [name, lines]));
  }

  begin(): void {
    this.#taken = new Map();
  }

  /** Takes room for all of them or none; gives back the first whose group has none. */
  async take<Some extends Standing>(some: readonly Some[]): Promise<Some | undefined> {
    if (performance.now() - this.#readAt > freshMs) await this.#readOverrides();
    const bounded = some.flatMap((one) => {
      const max = this.#boundOf(one);
      return max === undefined ? [] : [{ one, max, name: nameOf(one) }];
    });
    if (bounded.length === 0) return undefined;
    await this.#count(bounded);
    const own = new Map<string, number>();
    for (const { one, max, name } of bounded) {
      const count = (own.get(name) ?? 0) + 1;
      own.set(name, count);
      if ((this.#known.get(name)?.count ?? 0) + (this.#taken.get(name) ?? 0) + count > max) return one;
    }
    for (const [name, count] of own) this.#taken.set(name, (this.#taken.get(name) ?? 0) + count);
    return undefined;
  }

  /** They are committed. */
  stored(): void {
    for (const [name, count] of this.#taken) {
      const known = this.#known.get(name);
      if (known !== undefined) known.count += count;
    }
    this.begin();
  }

  #boundOf({ place: { line }, request }: Standing): number | undefined {
    if (line === undefined) return undefined;
    const settings = this.#settings.get(request.queue) ?? lineSettingsDefault;
    return groupSettingsOf(settings, line.group, this.#overrides.get(`${request.queue} ${line.group}`)).backlogMax;
  }

  async #count(bounded: readonly Bounded<Standing>[]): Promise<void> {
    const now = performance.now();
    const isStale = ({ name }: Bounded<Standing>): boolean => {
      const known = this.#known.get(name);
      return known === undefined || now - known.readAt > freshMs;
    };
    const asked = [...new Map(bounded.filter(isStale).map((each) => [each.name, each])).values()];
    if (asked.length === 0) return;
    const rows = await this.#connection.rows<{ no: number; count: number }>(COUNT, [
      int2Array(asked.map(({ one }) => one.queue)),
      textArray(asked.map(({ one }) => one.place.line?.group)),
    ]);
    if (this.#known.size > knownMax) this.#known.clear();
    for (const { no, count } of rows) this.#known.set(asked[no - 1]?.name as string, { count, readAt: now });
  }

  async #readOverrides(): Promise<void> {
    const rows = await this.#connection.rows<{ name: string; grp: string; settings: GroupOverride }>(OVERRIDES);
    this.#overrides = new Map(rows.map(({ name, grp, settings }) => [`${name} ${grp}`, settings]));
    this.#readAt = performance.now();
  }
}

function nameOf({ queue, place: { line } }: Standing): string {
  return `${queue} ${line?.group}`;
}
