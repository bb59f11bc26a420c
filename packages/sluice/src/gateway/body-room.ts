// Room for the bodies that are on their way in. It owns the count of their bytes, which never passes the bound for longer
// than it takes to send one of them away (I7): connections times the longest body would be no bound worth the name.
import { SluiceError } from "../core/errors.ts";

const retryAfterSeconds = 1;

/** The place of one body, from its first byte until disposed. Twice is safe. */
export interface BodyPlace extends Disposable {
  /** Counts more of it. It may be sent away in this very call. */
  take(bytes: number): void;
  /** Its turn has come, and it is not sent away any more; false when it was already. */
  begin(): boolean;
  /** Whoever holds the bytes is told to give them up. */
  onGiveWay: ((error: SluiceError) => void) | undefined;
}

export class BodyRoom {
  readonly #bytesMax: number;
  /** Those that are arriving, or wait for their turn. */
  readonly #waiting = new Set<Place>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  enter(): BodyPlace {
    const place: Place = {
      bytes: 0,
      onGiveWay: undefined,
      take: (bytes) => {
        place.bytes += bytes;
        this.#bytes += bytes;
        while (this.#bytes > this.#bytesMax && this.#waiting.size > 0) this.#sendAwayLargest();
      },
      begin: () => this.#waiting.delete(place),
      [Symbol.dispose]: () => this.#leave(place),
    };
    this.#waiting.add(place);
    return place;
  }

  /** The one that holds most: whoever sends little is not made to pay for who sends much. */
  #sendAwayLargest(): void {
    const [first, ...others] = this.#waiting;
    const largest = others.reduce((most, place) => (place.bytes > most.bytes ? place : most), first as Place);
    this.#leave(largest);
    largest.onGiveWay?.(
      new SluiceError("overloaded", `the bodies under way may have up to ${this.#bytesMax} bytes together`, {
        retryAfterSeconds,
      }),
    );
  }

  #leave(place: Place): void {
    this.#waiting.delete(place);
    this.#bytes -= place.bytes;
    place.bytes = 0;
  }
}

interface Place extends BodyPlace {
  bytes: number;
}
