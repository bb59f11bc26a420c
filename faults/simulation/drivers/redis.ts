// Stands in for the package redis: as much of a client as cache.ts and what it calls use, on the simulated cache.
import { EventEmitter } from "node:events";
import { theWorld } from "../current.ts";
import { processOf } from "../process.ts";

/** What a server refuses. The simulated one refuses nothing. */
export class ErrorReply extends Error {}

class Client extends EventEmitter {
  isReady = false;
  readonly #process = processOf();
  #isDestroyed = false;

  connect(): Promise<this> {
    const { cache, time, network } = theWorld();
    const { promise, resolve, reject } = Promise.withResolvers<this>();
    const attempt = (): void => {
      if (this.#isDestroyed || !cache.isUp) return reject(new Error("connect ECONNREFUSED"));
      this.isReady = true;
      cache.clients.add(this);
      resolve(this);
    };
    time.after(network.latencyMs(), attempt, this.#process);
    return promise;
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.isReady = false;
    theWorld().cache.forget(this);
  }

  /** The server is gone. */
  lose(): void {
    this.destroy();
    theWorld().time.after(1, () => this.emit("error", new Error("Socket closed unexpectedly")), this.#process);
  }

  ping(): Promise<string> {
    return this.#ask(() => "PONG");
  }

  publish(channel: string, text: string): Promise<number> {
    return this.#ask(() => theWorld().cache.publish(channel, text));
  }

  async subscribe(channel: string, listener: (message: string) => void): Promise<void> {
    await this.#ask(() =>
      theWorld().cache.subscribe(this, channel, (text) => {
        theWorld().time.after(theWorld().network.latencyMs(), () => listener(text), this.#process);
      }),
    );
  }

  async unsubscribe(channel: string): Promise<void> {
    await this.#ask(() => theWorld().cache.unsubscribe(this, channel));
  }

  evalSha(_sha: string, { keys, arguments: values }: { keys: string[]; arguments: string[] }): Promise<unknown> {
    return this.#ask(() => theWorld().cache.takeTokens(keys[0] as string, values.map(Number)));
  }

  /** Never answered when the cache goes on the way. */
  #ask<Value>(act: () => Value): Promise<Value> {
    const { time, network, cache } = theWorld();
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    time.after(network.latencyMs(), () => {
      if (!cache.isUp || this.#isDestroyed) {
        time.after(0, () => reject(new Error("Socket closed")), this.#process);
        return;
      }
      const value = act();
      time.after(network.latencyMs(), () => resolve(value), this.#process);
    });
    return promise;
  }
}

export function createClient(): Client {
  return new Client();
}
export type { Client };
