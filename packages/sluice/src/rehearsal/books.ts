// The rehearsal's own books: which requests were sent, what was answered, and the id of each receipt. They own that state
// and know nothing of what the deployment says of itself.

/** Requests with neighbouring numbers, which travel together. */
export interface Range {
  readonly from: number;
  readonly count: number;
}

/** What the client did or saw, of a whole range or of one result. */
export type Sight =
  | ({ readonly kind: "sent" } & Range)
  | ({ readonly kind: "accepted"; readonly ids: readonly string[] } & Range)
  /** A definite no, for now: it is sent again. */
  | ({ readonly kind: "refused"; readonly status: number | undefined } & Range)
  /** No answer came: they may have been stored or not. */
  | ({ readonly kind: "unknown"; readonly reason: string } & Range)
  | { readonly kind: "result"; readonly number: number; readonly id: string; readonly bytes: Uint8Array };

/** Keeps books too: the client's next step waits until the witness has what it saw. */
export type Witness = (sight: Sight) => Promise<void>;

export class Books {
  readonly #witness: Witness | undefined;
  readonly #ids: (string | undefined)[] = [];
  /** Steps of the books at which a number was sent first, and got its receipt. */
  readonly #sentAt: number[] = [];
  readonly #receiptAt: number[] = [];
  #step = 0;
  /** Those of which some POST got no answer: they may have been stored before their receipt came. */
  readonly uncertain = new Set<number>();
  /** Numbers with a receipt. */
  accepted = 0;
  /** Requests of POSTs without an answer, as often as that happened. */
  unknown = 0;
  /** Requests of POSTs that were refused for the moment, likewise. */
  refused = 0;

  constructor(witness?: Witness) {
    this.#witness = witness;
  }

  idOf(number: number): string | undefined {
    return this.#ids[number];
  }

  async note(sight: Sight): Promise<void> {
    await this.#witness?.(sight);
    this.#step += 1;
    switch (sight.kind) {
      case "sent":
        for (let number = sight.from; number < sight.from + sight.count; number += 1)
          this.#sentAt[number] ??= this.#step;
        return;
      case "result":
        return;
      case "accepted":
        for (const [offset, id] of sight.ids.entries()) {
          this.#ids[sight.from + offset] = id;
          this.#receiptAt[sight.from + offset] ??= this.#step;
        }
        this.accepted += sight.count;
        return;
      case "refused":
        this.refused += sight.count;
        return;
      case "unknown":
        this.unknown += sight.count;
        for (let number = sight.from; number < sight.from + sight.count; number += 1) this.uncertain.add(number);
        return;
      default:
        sight satisfies never;
    }
  }

  /** When it was sent first and when its receipt came, as steps of these books: what was sent together has the same. */
  spanOf(number: number): { readonly sentAt: number; readonly receiptAt: number } {
    return { sentAt: this.#sentAt[number] ?? 0, receiptAt: this.#receiptAt[number] ?? Number.POSITIVE_INFINITY };
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
