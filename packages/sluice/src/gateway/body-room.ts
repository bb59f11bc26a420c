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
  /** Throws what it was sent away with, when nobody was told. */
  assertStays(): void;
}

export class BodyRoom {
  readonly #bytesMax: number;
  /** The newest of those that are arriving, or wait for their turn. */
  #newest: Place | undefined;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  enter(): BodyPlace {
    const place = new Place(this);
    place.older = this.#newest;
    if (place.older !== undefined) place.older.newer = place;
    this.#newest = place;
    return place;
  }

  count(bytes: number): void {
    this.#bytes += bytes;
    while (this.#bytes > this.#bytesMax && this.#newest !== undefined) this.#sendAwayLargest(this.#newest);
  }

  /** False when it was removed already. */
  remove(place: Place): boolean {
    if (!place.isWaiting) return false;
    const { newer, older } = place;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older !== undefined) older.newer = newer;
    place.leave();
    return true;
  }

  /** The one that holds most: whoever sends little is not made to pay for who sends much. */
  #sendAwayLargest(newest: Place): void {
    let largest = newest;
    for (let place = newest.older; place !== undefined; place = place.older)
      if (place.bytes >= largest.bytes) largest = place;
    largest[Symbol.dispose]();
    const message = `the bodies under way may have up to ${this.#bytesMax} bytes together`;
    largest.sendAway(new SluiceError("overloaded", message, { retryAfterSeconds }));
  }
}

/**
 * A link of a chain, and not an entry of a Set: with thousands coming and going in a second a Set is built anew again and
 * again, and each old one that the collector took for long-lived keeps what the next one held.
 */
class Place implements BodyPlace {
  readonly #room: BodyRoom;
  bytes = 0;
  isWaiting = true;
  newer: Place | undefined;
  older: Place | undefined;
  onGiveWay: ((error: SluiceError) => void) | undefined;
  #untold: SluiceError | undefined;

  constructor(room: BodyRoom) {
    this.#room = room;
  }

  take(bytes: number): void {
    this.bytes += bytes;
    this.#room.count(bytes);
  }

  begin(): boolean {
    return this.#room.remove(this);
  }

  sendAway(error: SluiceError): void {
    if (this.onGiveWay === undefined) this.#untold = error;
    else this.onGiveWay(error);
  }

  assertStays(): void {
    if (this.#untold !== undefined) throw this.#untold;
  }

  leave(): void {
    this.isWaiting = false;
    this.newer = undefined;
    this.older = undefined;
  }

  [Symbol.dispose](): void {
    this.#room.remove(this);
    const { bytes } = this;
    this.bytes = 0;
    this.#room.count(-bytes);
  }
}
