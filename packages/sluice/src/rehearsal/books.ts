// The rehearsal's own books: which requests were sent, what was answered, and the id of each receipt. They own that state
// and know nothing of what the deployment says of itself.

/** Requests with neighbouring numbers, which travel together. */
export interface Range {
  readonly from: number;
  readonly count: number;
}

export class Books {
  readonly #ids: (string | undefined)[] = [];
  /** Those of which some POST got no answer: they may have been stored before their receipt came. */
  readonly uncertain = new Set<number>();
  /** Numbers with a receipt. */
  accepted = 0;
  /** Requests of POSTs without an answer, as often as that happened. */
  unknown = 0;
  /** Requests of POSTs that were refused for the moment, likewise. */
  refused = 0;

  idOf(number: number): string | undefined {
    return this.#ids[number];
  }

  receive({ from }: Range, ids: readonly string[]): void {
    for (const [offset, id] of ids.entries()) this.#ids[from + offset] = id;
    this.accepted += ids.length;
  }

  noteUnknown({ from, count }: Range): void {
    this.unknown += count;
    for (let number = from; number < from + count; number += 1) this.uncertain.add(number);
  }

  noteRefused({ count }: Range): void {
    this.refused += count;
  }

  /** The numbers with a receipt, in order. */
  *receipts(): Generator<readonly [number: number, id: string]> {
    for (const [number, id] of this.#ids.entries()) if (id !== undefined) yield [number, id];
  }

  /** Sent without an answer, and without a receipt to this moment: nobody can say whether they are stored. */
  get unsettled(): number {
    let count = 0;
    for (const number of this.uncertain) if (this.#ids[number] === undefined) count += 1;
    return count;
  }
}
