// The hints that carriers have handed to this process and that no claim has tried yet, by queue. A hint names requests
// that may wait; whether they do, the ledger says.
import type { RequestId } from "../../../core/request-id.ts";
import type { RetryBounds } from "../../../core/retry-share.ts";
import type { CarrierName, HintKind, HintMessage } from "./carrier.ts";

/** One request of a message. `done` tells the carrier once all of the message's requests are done. */
export interface Hint {
  readonly id: RequestId;
  readonly carrier: CarrierName;
  readonly kind: HintKind;
  done(): void;
}

/** What is delivered together with others (I4: a suspect only alone). */
const together = ["again", "fresh"] as const;

/** Once a carrier has handed out as many fresh hints as it may, so long the next of them may be on their way. */
const refillMs = 50;

export interface HintBufferOptions {
  /** Called when those that `take` held back for fresh ones on their way may be taken. */
  readonly onRefilled: () => void;
  /** Whether fresh ones come in the order in which they are to go: that of lines, not of acceptance. */
  readonly keepsOrder: () => boolean;
}

export class HintBuffer {
  readonly #options: HintBufferOptions;
  #isRefilling = false;
  #fullAt = Number.NEGATIVE_INFINITY;
  readonly #waiting: Readonly<Record<HintKind, Line>> = { suspect: new Line(), again: new Line(), fresh: new Line() };

  constructor(options: HintBufferOptions) {
    this.#options = options;
  }

  add({ carrier, kind, ids, isLast, done }: HintMessage): void {
    if (isLast && kind === "fresh") this.#fullAt = performance.now();
    let left = ids.length;
    const oneDone = (): void => {
      left -= 1;
      if (left === 0) done();
    };
    for (const id of ids) this.#put({ id, carrier, kind, done: once(oneDone) });
  }

  /** What came by this carrier is void: it brings all of it again. */
  clear(carrier: CarrierName): void {
    for (const kind of ["suspect", ...together] as const) this.#waiting[kind].clear(carrier);
  }

  takeSuspect(): Hint | undefined {
    return this.#waiting.suspect.shift();
  }

  get hasSuspect(): boolean {
    return this.#waiting.suspect.size > 0;
  }

  /**
   * Who came back goes before who never went, within the bounds; the rest of them go last, and not while fresh ones wait
   * at the carrier: those that hang would hold each place that was free for a moment.
   */
  take(max: number, retries?: RetryBounds): readonly Hint[] {
    const taken: Hint[] = [];
    this.#move("again", taken, Math.min(max, retries?.first ?? max));
    const first = taken.length;
    this.#move("fresh", taken, max - first);
    const most = retries === undefined ? 0 : Math.min(max - taken.length, retries.most - first);
    if (performance.now() - this.#fullAt >= refillMs) this.#move("again", taken, most);
    else if (most > 0 && this.#waiting.again.size > 0) this.#takeLater();
    return taken;
  }

  #takeLater(): void {
    if (this.#isRefilling) return;
    this.#isRefilling = true;
    const fullAt = this.#fullAt;
    const told = (): void => {
      this.#isRefilling = false;
      // A timer may fire up to a millisecond early by this clock: the wait has ended, whatever the clock says.
      if (this.#fullAt === fullAt) this.#fullAt = Number.NEGATIVE_INFINITY;
      this.#options.onRefilled();
    };
    setTimeout(told, refillMs).unref();
  }

  #move(kind: HintKind, taken: Hint[], max: number): void {
    for (let count = 0; count < max; count += 1) {
      const hint = this.#waiting[kind].shift();
      if (hint === undefined) return;
      taken.push(hint);
    }
  }

  /** They were not claimed, and wait on. */
  giveBack(hints: readonly Hint[]): void {
    for (const hint of hints) this.#put(hint);
  }

  ids(): readonly RequestId[] {
    return (["suspect", ...together] as const).flatMap((kind) => this.#waiting[kind].ids());
  }

  /** What comes back has its turn when it does: by its id, one that fails each time would go before the others each time. */
  #put(hint: Hint): void {
    if (hint.kind === "again" || this.#options.keepsOrder()) this.#waiting[hint.kind].append(hint);
    else this.#waiting[hint.kind].insert(hint);
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}

class Line {
  #items: Hint[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  append(hint: Hint): void {
    this.#items.push(hint);
  }

  /** In the order of their ids, which is that of their acceptance; that of the carriers is nearly the same. */
  insert(hint: Hint): void {
    let at = this.#items.length;
    while (at > this.#head && (this.#items[at - 1] as Hint).id > hint.id) at -= 1;
    if (at === this.#items.length) this.#items.push(hint);
    else this.#items.splice(at, 0, hint);
  }

  /** Does not move what is left at each turn. */
  shift(): Hint | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(carrier: CarrierName): void {
    this.#items = this.#items.slice(this.#head).filter((hint) => hint.carrier !== carrier);
    this.#head = 0;
  }

  ids(): readonly RequestId[] {
    return this.#items.slice(this.#head).map(({ id }) => id);
  }
}
