// Redis as the cluster engine sees it: fast, and free to forget or to be gone. Nothing here fails because of it. The
// connections heal themselves: one that is silent, or whose Redis refuses what it is asked, is given up for a new one.
import { setTimeout as delay } from "node:timers/promises";
import { ErrorReply } from "redis";
import { messageOf } from "../../../core/errors.ts";
import { addressOf } from "../../../core/server-url.ts";
import type { Logger } from "../../../telemetry/log.ts";
import type { Outages } from "../outages.ts";
import { type CacheClient, connectMsMax, connectPrimary } from "./redis-primary.ts";
import { tryNotice } from "./redis-notices.ts";
import { tryTake } from "./redis-tokens.ts";

export interface CacheOptions {
  /** `redis://:password@host:6379/0`, of one host or several, or `redis+sentinel://:password@host:26379/mymaster/0` */
  readonly url: string;
  /** Begins every name on Redis. */
  readonly prefix: string;
  readonly outages: Outages;
  readonly log: Logger;
}

const retryMinMs = 100;
const retryMaxMs = 2_000;
/** An answer that takes longer is of no use any more. */
const answerMsMax = 200;
/** A connection without a sign of life between two checks is given up. */
const checkMs = 3_000;
/** A connection that lasts so long is no failure that the next try has to wait for. */
const steadyMs = 60_000;

export class Cache implements AsyncDisposable {
  readonly prefix: string;
  readonly #options: CacheOptions;
  readonly #address: string;
  readonly #calling: CacheConnection;
  #subscribing: CacheConnection | undefined;

  constructor(options: CacheOptions) {
    this.prefix = options.prefix;
    this.#options = options;
    this.#address = addressOf(options.url);
    this.#calling = this.#newConnection();
  }

  /** The first connection. Without Redis the outage begins, and ends when it is there. */
  async connect(): Promise<void> {
    await this.#calling.open();
  }

  /** Undefined when Redis is out, takes longer than 200 ms, or refuses. */
  async call<Value>(send: (client: CacheClient) => Promise<Value>): Promise<Value | undefined> {
    const client = this.#calling.client;
    if (client === undefined) return undefined;
    const { promise: late, resolve: giveUp } = Promise.withResolvers<"late">();
    // An answer that came while this process was busy is read before the second step.
    const timer = setTimeout(() => setImmediate(giveUp, "late"), answerMsMax);
    try {
      const first = await Promise.race([send(client).then((value) => ({ value })), late]);
      if (first !== "late") {
        this.#calling.succeed(client);
        return first.value;
      }
      this.#calling.slow(client);
    } catch (error) {
      this.#options.log.debug({ err: messageOf(error) }, "Redis did not do what it was asked");
      this.#calling.refuse(client, error);
    } finally {
      clearTimeout(timer);
    }
    return undefined;
  }

  /** Calls back with each message of a channel, on a connection of its own. What is sent while it is out is missed. */
  async subscribe(channel: string, onMessage: (message: string) => void): Promise<void> {
    this.#subscribing ??= this.#newConnection();
    await this.#subscribing.subscribe(channel, onMessage);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#calling.close(), this.#subscribing?.close()]);
  }

  #newConnection(): CacheConnection {
    return new CacheConnection(this.#options, () => this.#tell());
  }

  #tell(): void {
    const { outages } = this.#options;
    const down = [this.#calling, this.#subscribing].find((connection) => connection?.downBecause !== undefined);
    if (down === undefined) outages.end("cache-unavailable");
    else outages.begin("cache-unavailable", `Redis at ${this.#address} cannot be used now: ${down.downBecause}`);
  }
}

/** All that will be asked of a Redis: one that can be reached may still refuse everything. Rejects with what it refuses. */
export async function tryOut(client: CacheClient, prefix: string): Promise<void> {
  await tryTake(client, prefix);
  await tryNotice(client, prefix);
}

class CacheConnection {
  readonly #options: CacheOptions;
  readonly #onChange: () => void;
  readonly #listeners = new Map<string, (message: string) => void>();
  readonly #closing = new AbortController();
  readonly #tried = Promise.withResolvers<void>();
  #keeping: Promise<void> | undefined;
  #client: CacheClient | undefined;
  /** Gives up the connection that there is. */
  #lose: (why: string) => void = () => undefined;
  /** Whether it gave a sign of life since the last check. */
  #isAlive = false;
  #isSlow = false;
  #downBecause: string | undefined;

  constructor(options: CacheOptions, onChange: () => void) {
    this.#options = options;
    this.#onChange = onChange;
  }

  /** Undefined while it cannot be used. */
  get client(): CacheClient | undefined {
    return this.#isSlow ? undefined : this.#client;
  }

  /** Undefined before the first try, and since it worked last. */
  get downBecause(): string | undefined {
    return this.#downBecause;
  }

  /** Resolves once it is connected, or could not be at the first try. */
  async open(): Promise<void> {
    this.#keeping ??= this.#keep();
    await Promise.race([this.#tried.promise, delay(connectMsMax, undefined, { ref: false })]);
    if (this.#client === undefined && this.#downBecause === undefined) this.#fail("no answer");
  }

  async subscribe(channel: string, onMessage: (message: string) => void): Promise<void> {
    this.#listeners.set(channel, onMessage);
    await this.open();
    const client = this.#client;
    if (client !== undefined) await this.#resubscribe(client).catch((error: unknown) => this.refuse(client, error));
  }

  /** Out of use until it answers again. */
  slow(client: CacheClient): void {
    if (this.#client !== client || this.#isSlow) return;
    this.#isSlow = true;
    this.#fail(`no answer within ${answerMsMax} ms`);
    this.#ping(client);
  }

  succeed(client: CacheClient): void {
    if (this.#client !== client) return;
    this.#isAlive = true;
    if (this.#downBecause === undefined) return;
    this.#isSlow = false;
    this.#downBecause = undefined;
    this.#onChange();
  }

  /** Redis that refuses one call refuses the next: it is left until it does again what is asked of it. */
  refuse(client: CacheClient, error: unknown): void {
    if (this.#client === client && error instanceof ErrorReply) this.#lose(messageOf(error));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#keeping;
  }

  /** Connects, and connects again, until it is closed. */
  async #keep(): Promise<void> {
    const { signal } = this.#closing;
    for (let retries = 0; !signal.aborted; retries += 1) {
      try {
        const client = await connectPrimary(this.#options.url, (fresh) => this.#tryOut(fresh), signal);
        const since = performance.now();
        this.#fail(await this.#untilLost(client));
        if (performance.now() - since > steadyMs) retries = 0;
      } catch (error) {
        this.#fail(messageOf(error));
      }
      this.#tried.resolve();
      await delay(retryMs(retries), undefined, { signal }).catch(() => undefined); // told by the signal
    }
  }

  async #tryOut(client: CacheClient): Promise<void> {
    await tryOut(client, this.#options.prefix);
    await this.#resubscribe(client);
  }

  /** Keeps it in use; resolves to why it is none any more. */
  async #untilLost(client: CacheClient): Promise<string> {
    const { promise: lost, resolve } = Promise.withResolvers<string>();
    const { signal } = this.#closing;
    const close = (): void => resolve("closed");
    this.#lose = resolve;
    client.on("error", (error) => resolve(messageOf(error)));
    signal.addEventListener("abort", close);
    if (!client.isReady || signal.aborted) close();
    this.#client = client;
    this.#isSlow = false;
    this.succeed(client);
    this.#tried.resolve();
    const checks = setInterval(() => setImmediate(() => this.#check()), checkMs);
    try {
      return await lost;
    } finally {
      clearInterval(checks);
      signal.removeEventListener("abort", close);
      this.#client = undefined;
      client.destroy();
    }
  }

  #fail(why: string): void {
    if (this.#closing.signal.aborted) return;
    this.#downBecause = why;
    this.#onChange();
  }

  #ping(client: CacheClient): void {
    client.ping().then(
      () => this.succeed(client),
      (error: unknown) => this.refuse(client, error),
    );
  }

  #check(): void {
    const client = this.#client;
    if (client === undefined) return;
    if (!this.#isAlive) return this.#lose("it is silent");
    this.#isAlive = false;
    this.#ping(client);
  }

  /** What the client is subscribed to already it leaves alone. */
  async #resubscribe(client: CacheClient): Promise<void> {
    for (const [channel, listener] of this.#listeners) await client.subscribe(channel, listener);
  }
}

function retryMs(retries: number): number {
  return Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(retries, 10)) * (0.5 + Math.random() / 2);
}
