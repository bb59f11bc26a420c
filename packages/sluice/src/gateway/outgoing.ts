// Room for the answers on their way out. It owns the count of their bytes, which never passes the bound (I7): connections
// times the largest answer would be no bound worth the name. Small answers have a room of their own, so that none of them
// waits for a large one.
import type { ServerResponse } from "node:http";
import { SluiceError } from "../core/errors.ts";
import type { GatewayLimits } from "./limits.ts";

/** An answer of at most this many bytes is small. */
const smallBytesMax = 64 * 1024;
const retryAfterSeconds = 1;

export type OutgoingLimits = Pick<GatewayLimits, "outgoingBytesMax" | "outgoingWaitMs" | "stallTimeoutMs">;

/** The place of one answer, until it is disposed or its connection is closed. Twice is safe. */
export interface OutgoingPlace extends Disposable {
  /** The client has read on. From the first call on it is cut off when it reads nothing for too long. */
  progress(): void;
}

export class Outgoing {
  readonly #limits: OutgoingLimits;
  readonly #small: Room;
  readonly #large: Room;
  readonly #places = new Set<Place>();
  #sweeping: NodeJS.Timeout | undefined;

  constructor(limits: OutgoingLimits) {
    this.#limits = limits;
    this.#small = new Room(limits.outgoingBytesMax);
    this.#large = new Room(limits.outgoingBytesMax);
  }

  /** Bytes of all answers that have a place. */
  get bytes(): number {
    return this.#small.bytes + this.#large.bytes;
  }

  /** A place for an answer that is in memory already. Errors: `overloaded` when there is no room. */
  take(response: ServerResponse, bytes: number): OutgoingPlace {
    const room = this.#roomFor(bytes);
    if (!room.hasRoom(bytes)) throw this.#overloaded();
    return this.#place(room, response, bytes);
  }

  /** As `take`, for an answer that is yet to be read: a large one waits for its turn. */
  async enter(response: ServerResponse, bytes: number): Promise<OutgoingPlace> {
    const room = this.#roomFor(bytes);
    if (room === this.#small || (room.waiting.length === 0 && room.hasRoom(bytes))) return this.take(response, bytes);
    const { promise, resolve, reject } = Promise.withResolvers<OutgoingPlace>();
    const waiter: Waiter = { bytes, enter: () => resolve(this.#place(room, response, bytes)) };
    room.waiting.push(waiter);
    const giveUp = (): void => {
      room.forget(waiter);
      reject(this.#overloaded());
    };
    const timer = setTimeout(giveUp, this.#limits.outgoingWaitMs);
    response.once("close", giveUp); // its client has gone: nobody gets the error
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      response.off("close", giveUp);
    }
  }

  #roomFor(bytes: number): Room {
    return bytes <= smallBytesMax ? this.#small : this.#large;
  }

  #place(room: Room, response: ServerResponse, bytes: number): OutgoingPlace {
    const place = new Place(response, () => {
      this.#places.delete(place);
      if (this.#places.size === 0) clearInterval(this.#sweeping);
      room.leave(bytes);
    });
    room.bytes += bytes;
    this.#places.add(place);
    if (this.#places.size === 1)
      this.#sweeping = setInterval(() => this.#sweep(), this.#limits.stallTimeoutMs / 4).unref();
    return place;
  }

  /** Who is gone without a word leaves; who reads nothing is cut off. */
  #sweep(): void {
    const before = performance.now() - this.#limits.stallTimeoutMs;
    for (const place of this.#places) {
      if (place.isGone) place[Symbol.dispose]();
      else if (place.progressAt < before) place.cut();
    }
  }

  #overloaded(): SluiceError {
    const { outgoingBytesMax } = this.#limits;
    const message = `the answers on their way out may have up to ${outgoingBytesMax} bytes together`;
    return new SluiceError("overloaded", message, { retryAfterSeconds });
  }
}

interface Waiter {
  readonly bytes: number;
  readonly enter: () => void;
}

class Room {
  readonly #bytesMax: number;
  bytes = 0;
  waiting: Waiter[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** One always has room. */
  hasRoom(bytes: number): boolean {
    return this.bytes === 0 || this.bytes + bytes <= this.#bytesMax;
  }

  leave(bytes: number): void {
    this.bytes -= bytes;
    this.#admit();
  }

  forget(waiter: Waiter): void {
    this.waiting = this.waiting.filter((one) => one !== waiter);
    this.#admit(); // those behind it may need less
  }

  #admit(): void {
    for (let next = this.waiting[0]; next !== undefined && this.hasRoom(next.bytes); next = this.waiting[0]) {
      this.waiting.shift();
      next.enter();
    }
  }
}

class Place implements OutgoingPlace {
  readonly #response: ServerResponse;
  readonly #onLeave: () => void;
  readonly #leave = (): void => this[Symbol.dispose]();
  #isOver = false;
  /** By the monotonic clock; never, while nothing was sent. */
  progressAt = Number.POSITIVE_INFINITY;

  constructor(response: ServerResponse, onLeave: () => void) {
    this.#response = response;
    this.#onLeave = onLeave;
    response.once("close", this.#leave);
  }

  /** Behind another answer of its connection a response does not hear of the connection's end. */
  get isGone(): boolean {
    return this.#response.destroyed || this.#response.req.socket.destroyed;
  }

  progress(): void {
    this.progressAt = performance.now();
  }

  cut(): void {
    this.#response.req.socket.destroy();
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#response.off("close", this.#leave);
    this.#onLeave();
  }
}
