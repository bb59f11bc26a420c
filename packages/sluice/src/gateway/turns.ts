/**
 * Lets one work at a time, in the order of asking. Large batches are stored in turns: what one allocates is dead before the
 * next begins, where several at once would keep each other's alive for long enough to be taken for old.
 */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  inTurn<Value>(work: () => Promise<Value>): Promise<Value> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {}); // the error is the caller's; the next one's turn comes all the same
    return turn;
  }
}
