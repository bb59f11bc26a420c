// What the collector holds for long-lived, in this thread: what is garbage there stays until the next full collection.
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collect = (options: { readonly type: "minor" }) => void;

/** Twice survived is old. */
const collections = 3;

export class OldSpace {
  readonly #collect: Collect;
  #since: number;
  #grown = 0;

  constructor() {
    setFlagsFromString("--expose-gc");
    this.#collect = runInNewContext("gc") as Collect;
    this.#since = usedBytes();
  }

  /** All that is held now is old from here on, and not counted as growth. */
  age(): void {
    this.#note();
    for (let count = 0; count < collections; count += 1) this.#collect({ type: "minor" });
    this.#since = usedBytes();
  }

  /** By what grew old of itself. */
  get grownMib(): number {
    this.#note();
    return this.#grown / 2 ** 20;
  }

  #note(): void {
    const used = usedBytes();
    this.#grown += Math.max(0, used - this.#since); // less: a full collection came in between
    this.#since = used;
  }
}

function usedBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name: name }) => name === "old_space")?.space_used_size ?? Number.NaN;
}
