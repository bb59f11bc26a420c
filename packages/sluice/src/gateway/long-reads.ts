// Reads that look at many rows take turns, a few at a time: the store answers one after the other, and a read of one request
// or queue must not wait behind all of them.
import type { FastifyRequest } from "fastify";
import { SluiceError } from "../core/errors.ts";
import type { GatewayLimits } from "./limits.ts";

const retryAfterSeconds = 1;

export class LongReads {
  readonly #limits: Pick<GatewayLimits, "longReadsMax" | "longReadsWaitingMax">;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(limits: Pick<GatewayLimits, "longReadsMax" | "longReadsWaitingMax">) {
    this.#limits = limits;
  }

  /** Not at all for one whose connection has gone when its turn comes. Errors: `overloaded`; whatever `read` throws. */
  async inTurn<Value>({ raw }: FastifyRequest, read: () => Promise<Value>): Promise<Value> {
    if (this.#running < this.#limits.longReadsMax) this.#running += 1;
    else await this.#turn();
    try {
      if (raw.socket.destroyed) throw new SluiceError("overloaded", "its client has gone");
      return await read();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }

  #turn(): Promise<void> {
    const { longReadsWaitingMax } = this.#limits;
    if (this.#waiting.length >= longReadsWaitingMax)
      throw new SluiceError("overloaded", `${longReadsWaitingMax} lists wait already`, { retryAfterSeconds });
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }
}
