// The hints that the broker has handed to this process and that no claim has tried yet, by queue. A hint names requests
// that may wait; whether they do, the ledger says.
import type { RequestId } from "../../core/request-id.ts";
import type { Hints as Arrived } from "./consumer.ts";
import type { HintKind } from "./topology.ts";

/** One request of a hint. `done` tells the broker once all of the hint's requests are done. */
export interface Hint {
  readonly id: RequestId;
  readonly kind: HintKind;
  done(): void;
}

/** Which goes first: who came back goes before who never went (I4: a suspect only alone). */
const order = ["again", "fresh"] as const;

export class HintBuffer {
  readonly #waiting: Readonly<Record<HintKind, Line>> = { suspect: new Line(), again: new Line(), fresh: new Line() };

  add({ kind, ids, done }: Arrived): void {
    let left = ids.length;
    const oneDone = (): void => {
      left -= 1;
      if (left === 0) done();
    };
    for (const id of ids) this.#waiting[kind].insert({ id, kind, done: once(oneDone) });
  }

  /** The channel is gone, and with it the right to acknowledge: the broker hands all of them out again. */
  clear(): void {
    for (const kind of ["suspect", ...order] as const) this.#waiting[kind].clear();
  }

  takeSuspect(): Hint | undefined {
    return this.#waiting.suspect.shift();
  }

  get hasSuspect(): boolean {
    return this.#waiting.suspect.size > 0;
  }

  take(max: number): readonly Hint[] {
    const taken: Hint[] = [];
    for (const kind of order) {
      while (taken.length < max) {
        const hint = this.#waiting[kind].shift();
        if (hint === undefined) break;
        taken.push(hint);
      }
    }
    return taken;
  }

  /** They were not claimed, and wait on. */
  giveBack(hints: readonly Hint[]): void {
    for (const hint of hints) this.#waiting[hint.kind].insert(hint);
  }

  ids(): readonly RequestId[] {
    return (["suspect", ...order] as const).flatMap((kind) => this.#waiting[kind].ids());
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}

/** In the order of their ids, which is that of their acceptance; the broker's order is nearly the same. */
class Line {
  #items: Hint[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

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

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  ids(): readonly RequestId[] {
    return this.#items.slice(this.#head).map(({ id }) => id);
  }
}
