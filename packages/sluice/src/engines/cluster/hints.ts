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
  readonly #waiting: Readonly<Record<HintKind, Fifo<Hint>>> = { suspect: new Fifo(), again: new Fifo(), fresh: new Fifo() };

  add({ kind, ids, done }: Arrived): void {
    let left = ids.length;
    const oneDone = (): void => {
      left -= 1;
      if (left === 0) done();
    };
    for (const id of ids) this.#waiting[kind].push({ id, kind, done: once(oneDone) });
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

  get isEmpty(): boolean {
    return order.every((kind) => this.#waiting[kind].size === 0);
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

  /** The queue is paused: they wait on, in front of the others. */
  giveBack(hints: readonly Hint[]): void {
    for (const hint of hints.toReversed()) this.#waiting[hint.kind].unshift(hint);
  }

  ids(): readonly RequestId[] {
    return (["suspect", ...order] as const).flatMap((kind) => this.#waiting[kind].map(({ id }) => id));
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}

/** First in, first out, without moving what is left at each turn. */
class Fifo<Item> {
  #items: Item[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  unshift(item: Item): void {
    if (this.#head === 0) this.#items.unshift(item);
    else {
      this.#head -= 1;
      this.#items[this.#head] = item;
    }
  }

  shift(): Item | undefined {
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

  map<Value>(value: (item: Item) => Value): readonly Value[] {
    return this.#items.slice(this.#head).map(value);
  }
}
