// The bound of what waits for its commit in this process (I7): beyond it the caller is told to come again.
import { SluiceError } from "../../core/errors.ts";
import type { NewRequest } from "../../core/request.ts";

const callsMax = 20_000;
const bytesMax = 256 * 1024 * 1024;

export class WaitingBound {
  #calls = 0;
  #bytes = 0;

  /** Until it is disposed of, the call takes its room. Errors: `overloaded`. */
  enter(requests: readonly NewRequest[]): Disposable {
    const bytes = requests.reduce((sum, { body }) => sum + body.byteLength, 0);
    if (this.#calls >= callsMax || this.#bytes + bytes > bytesMax) {
      throw new SluiceError("overloaded", "too much is waiting for its commit", { retryAfterSeconds: 1 });
    }
    this.#calls += 1;
    this.#bytes += bytes;
    return {
      [Symbol.dispose]: () => {
        this.#calls -= 1;
        this.#bytes -= bytes;
      },
    };
  }
}
