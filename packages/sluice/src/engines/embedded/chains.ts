// The chains of what was accepted, one for each queue and day of this process: see core/chain.ts. What a transaction accepts is
// linked inside that same transaction.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { linksOf, type Linked, type NewLink } from "../../core/chain.ts";
import { bytesOfIds, seqOf } from "../../core/request-id.ts";

const INSERT = `
  INSERT INTO links (first_seq, last_seq, queue, chain, place, previous, hash, ids, digests) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`;

export class Chains {
  readonly #insert: StatementSync;
  /** By the number of the queue. */
  readonly #lastOf = new Map<number, NewLink>();
  readonly #accepted = new Map<number, Linked[]>();

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(INSERT);
  }

  /** Takes note of a request that the transaction under way accepts. */
  note(queue: number, linked: Linked): void {
    const accepted = this.#accepted.get(queue);
    if (accepted === undefined) this.#accepted.set(queue, [linked]);
    else accepted.push(linked);
  }

  /** Writes the links: before the transaction's commit. */
  flush(): void {
    for (const [queue, accepted] of this.#accepted) {
      const links = linksOf(accepted, this.#lastOf.get(queue));
      for (const link of links) this.#write(queue, link);
      this.#lastOf.set(queue, links.at(-1) as NewLink);
    }
    this.#accepted.clear();
  }

  /** The transaction was undone: the next link begins a chain. */
  reset(): void {
    this.#accepted.clear();
    this.#lastOf.clear();
  }

  #write(queue: number, { first, last, chain, place, previous, hash, ids, digests }: NewLink): void {
    this.#insert.run(seqOf(first), seqOf(last), queue, bytesOfIds([chain]), place, previous, hash, ids, digests);
  }
}
