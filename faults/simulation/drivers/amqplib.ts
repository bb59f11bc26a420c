// Stands in for the package amqplib: connections and channels on the simulated broker.
import { EventEmitter } from "node:events";
import { Duplex } from "node:stream";
import { theWorld } from "../current.ts";
import { processOf } from "../process.ts";
import { Wire } from "../wire.ts";
import { Channel } from "./amqp-channel.ts";

const connectMsMax = 5_000;

class Stream extends Duplex {
  readonly #onDestroyed: () => void;

  constructor(onDestroyed: () => void) {
    super();
    this.#onDestroyed = onDestroyed;
    this.on("error", () => undefined);
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#onDestroyed();
    done();
  }
}

class Model extends EventEmitter {
  readonly connection: { readonly stream: Duplex };
  readonly #wire: Wire;
  readonly #channels = new Set<Channel>();
  #isClosed = false;

  constructor(wire: Wire) {
    super();
    this.#wire = wire;
    this.connection = {
      stream: new Stream(() => {
        wire.closeByClient();
        this.#end(undefined);
      }),
    };
  }

  createChannel(): Promise<Channel> {
    return this.#open();
  }

  createConfirmChannel(): Promise<Channel> {
    return this.#open();
  }

  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wire.send(() => {
      this.#wire.answer(() => {
        this.#wire.closeByClient();
        this.#end(undefined);
        resolve();
      });
    });
    return promise;
  }

  /** The connection is gone. */
  lose(why: string): void {
    this.#end(new Error(why));
  }

  forget(channel: Channel): void {
    this.#channels.delete(channel);
  }

  async #open(): Promise<Channel> {
    if (this.#isClosed) throw new Error("Connection closed");
    const channel = new Channel(this.#wire, (one) => this.forget(one));
    this.#channels.add(channel);
    await channel.open();
    return channel;
  }

  #end(error: Error | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const channel of this.#channels) channel.end(error ?? new Error("Connection closed"));
    if (error !== undefined) this.emit("error", error);
    this.emit("close", error);
  }
}

export function connect(_url: string): Promise<Model> {
  const world = theWorld();
  const owner = processOf();
  const wire = new Wire(world, owner, "broker");
  const { promise, resolve, reject } = Promise.withResolvers<Model>();
  let model: Model | undefined;
  const late = world.time.after(
    connectMsMax,
    () => {
      wire.closeByClient();
      reject(new Error("connect ETIMEDOUT"));
    },
    owner,
  );
  wire.ends = {
    onClientClosed: (why) => {
      late.isCancelled = true;
      reject(new Error(why));
      model?.lose(why);
    },
    onServerClosed: () => world.broker.closeAll(wire),
  };
  wire.send(() => {
    if (!world.broker.isUp) return wire.closeByServer("connect ECONNREFUSED");
    wire.answer(() => {
      late.isCancelled = true;
      model = new Model(wire);
      resolve(model);
    });
  });
  return promise;
}
