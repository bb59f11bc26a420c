import { test } from "node:test";
import { asyncProperty, assert } from "fast-check";
import { history } from "./command.ts";
import { History } from "./history.ts";
import { queue, Rig, type NewStore } from "./rig.ts";

export interface HistoriesOptions {
  readonly newStore: NewStore;
  readonly runs: number;
  /** The same seed gives the same histories. */
  readonly seed: number;
}

/** Opening a store costs more than a history: some share one, each with a queue of its own. */
const historiesPerStore = 10;
const crashesMax = 3;

export function randomCases({ newStore, runs, seed }: HistoriesOptions): void {
  test(`${runs} histories agree with the model (seed ${seed})`, async () => {
    await using rigs = new Rigs(newStore);
    const property = asyncProperty(history, async (commands) => {
      const { rig, queue: name } = await rigs.next();
      await new History({ rig, queue: name, crashesMax }).run(commands);
    });
    await assert(property, { seed, numRuns: runs, endOnFailure: false });
  });
}

/** Gives each history a queue that nobody used, on a store that few did. */
class Rigs implements AsyncDisposable {
  readonly #newStore: NewStore;
  #rig: Rig | undefined;
  #used = 0;

  constructor(newStore: NewStore) {
    this.#newStore = newStore;
  }

  async next(): Promise<{ readonly rig: Rig; readonly queue: string }> {
    if (this.#rig === undefined || this.#used === historiesPerStore) {
      await this[Symbol.asyncDispose]();
      const queues = Array.from({ length: historiesPerStore }, (_, number) => queue(nameOf(number)));
      this.#rig = await Rig.open(this.#newStore, { queues, crashesMax });
      this.#used = 0;
    }
    this.#used += 1;
    return { rig: this.#rig, queue: nameOf(this.#used - 1) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rig?.[Symbol.asyncDispose]();
    this.#rig = undefined;
  }
}

function nameOf(number: number): string {
  return `history-${number}`;
}
