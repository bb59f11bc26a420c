// What of a queue's lines the feeder has in memory: the first few of each line, and what FairChoice has to know to choose among them.
// The rest is in the ledger, and is read when the first few have gone.
import { FairChoice, type Kind, type Line } from "../../../core/fair-choice.ts";
import { groupSettingsOf, type GroupOverride, type LineSettings } from "../../../core/line-settings.ts";
import type { RequestId } from "../../../core/request-id.ts";

/** One that may begin. */
export interface Ready {
  readonly id: RequestId;
  readonly since: number;
}

export interface Place extends Line {
  readonly kind: Kind;
}

export interface Dry {
  readonly place: Place;
  readonly upTo: Ready;
}

interface Held {
  readonly place: Place;
  /** In their order, without gaps up to `upTo`. */
  readonly first: Ready[];
  /** Whether the ledger has more behind `upTo`. */
  hasMore: boolean;
  upTo: Ready;
}

const beforeAll: Ready = { id: "00000000-0000-0000-0000-000000000000" as RequestId, since: -1 };
const nobody = Number.POSITIVE_INFINITY;
/** How many of a line are in memory: all lines together have about so many. */
const inMemoryMax = 20_000;
const ofLineMin = 16;
const ofLineMax = 1_000;

export class ReadyLines {
  readonly choice: FairChoice;
  settings: LineSettings;
  #overrides: ReadonlyMap<string, GroupOverride>;
  readonly #lines = new Map<string, Held>();
  readonly #dry = new Set<Held>();
  /** Groups whose counts have changed since they were told. */
  readonly dirty = new Set<string>();

  constructor(settings: LineSettings, overrides: ReadonlyMap<string, GroupOverride>) {
    this.settings = settings;
    this.#overrides = overrides;
    const riseMs = (): number => this.settings.riseMs;
    this.choice = new FairChoice({
      get riseMs() {
        return riseMs();
      },
      settingsOf: (group) => groupSettingsOf(this.settings, group, this.#overrides.get(group)),
    });
  }

  get ofLineMax(): number {
    return Math.max(ofLineMin, Math.min(ofLineMax, Math.floor(inMemoryMax / (this.#lines.size + 1))));
  }

  setOverrides(settings: LineSettings, overrides: ReadonlyMap<string, GroupOverride>): void {
    this.settings = settings;
    this.#overrides = overrides;
    this.choice.resetAll();
  }

  count(group: string, { backlog = 0, inFlight = 0 }: { readonly backlog?: number; readonly inFlight?: number }): void {
    if (backlog !== 0) this.choice.addBacklog(group, backlog);
    if (inFlight !== 0) this.choice.addInFlight(group, inFlight);
    this.dirty.add(group);
  }

  /** One has become ready. */
  add(place: Place, ready: Ready): void {
    const held = this.#heldOf(place);
    if (held.hasMore && isBehind(ready, held.upTo)) return;
    let at = held.first.length;
    while (at > 0 && isBehind(held.first[at - 1] as Ready, ready)) at -= 1;
    held.first.splice(at, 0, ready);
    if (held.first.length > 2 * this.ofLineMax) {
      held.first.length = this.ofLineMax;
      held.hasMore = true;
    }
    if (held.hasMore || isBehind(ready, held.upTo)) held.upTo = held.first.at(-1) as Ready;
    this.#setHead(held);
  }

  /** One has ended that was ready. */
  remove(place: Place, id: RequestId): void {
    const held = this.#lines.get(nameOf(place));
    const at = held?.first.findIndex((ready) => ready.id === id) ?? -1;
    if (held === undefined || at === -1) return;
    held.first.splice(at, 1);
    this.#setHead(held);
  }

  /** Who begins next. Before it the ledger is to be read for what is `dry`. */
  pick(kind: Kind, now: number): { readonly ready: Ready; readonly place: Place } | undefined {
    const picked = this.choice.pick(kind, now);
    if (picked?.kind !== "line") return undefined;
    const held = this.#lines.get(nameOf({ kind, ...picked.line })) as Held;
    const ready = held.first.shift() as Ready;
    this.#setHead(held);
    this.count(held.place.group, { inFlight: 1 });
    return { ready, place: held.place };
  }

  /** Lines of which the ledger has more, and nothing is in memory. */
  dry(): readonly Dry[] {
    return [...this.#dry].map(({ place, upTo }) => ({ place, upTo }));
  }

  /** What the ledger has behind `upTo`, as many as were asked for or all. */
  addRead(place: Place, read: readonly Ready[], hasMore: boolean): void {
    const held = this.#heldOf(place);
    held.first.push(...read);
    held.upTo = read.at(-1) ?? held.upTo;
    held.hasMore = hasMore;
    this.#setHead(held);
  }

  #heldOf(place: Place): Held {
    const name = nameOf(place);
    const found = this.#lines.get(name) ?? { place, first: [], hasMore: false, upTo: beforeAll };
    this.#lines.set(name, found);
    return found;
  }

  #setHead(held: Held): void {
    const { place, first, hasMore } = held;
    if (first.length === 0 && hasMore) this.#dry.add(held);
    else this.#dry.delete(held);
    if (first.length === 0 && !hasMore) this.#lines.delete(nameOf(place));
    this.choice.setHead(place.kind, place, first[0]?.since ?? nobody);
  }
}

function nameOf({ kind, urgency, group }: Place): string {
  return `${kind} ${urgency} ${group}`;
}

function isBehind(left: Ready, right: Ready): boolean {
  return left.since === right.since ? left.id > right.id : left.since > right.since;
}
