// Notices through Redis: messages of two channels.
import type { Cache } from "./cache.ts";
import { lineOf, noticesIn, type Notice, type Notices, type NoticesOptions } from "./notices.ts";
import type { CacheClient } from "./redis-primary.ts";

export interface RedisNoticesOptions extends NoticesOptions {
  readonly cache: Cache;
  /** Called when another process paused or resumed a queue. */
  readonly onQueues: () => void;
}

const noticesMax = 1_000;

/** Tells nothing, and hears nothing: does only what notices do. Rejects as they would. */
export async function tryNotice(client: CacheClient, prefix: string): Promise<void> {
  const channel = channelOf(prefix, "changes");
  const ignore = (): void => undefined;
  await client.publish(channel, "");
  await client.subscribe(channel, ignore);
  await client.unsubscribe(channel, ignore);
}

export class RedisNotices implements Notices {
  readonly #options: RedisNoticesOptions;
  #lines: string[] = [];
  #isSubscribed = false;

  constructor(options: RedisNoticesOptions) {
    this.#options = options;
    const { cache, origin, onQueues } = options;
    void cache.subscribe(this.#channel("queues"), (told) => {
      if (told !== origin) onQueues();
    });
  }

  /** All of one turn of the event loop go together, up to 1,000. */
  publish(changes: readonly Notice[]): void {
    if (this.#lines.length === 0 && changes.length > 0) setImmediate(() => this.#flush());
    for (const notice of changes) this.#lines.push(lineOf(notice));
  }

  publishQueues(): void {
    this.#send("queues", this.#options.origin);
  }

  /** Once for the life of the process: what nobody watches any more costs little to hear. */
  listen(): void {
    if (this.#isSubscribed) return;
    this.#isSubscribed = true;
    const { cache, origin, onChange } = this.#options;
    void cache.subscribe(this.#channel("changes"), (text) => {
      const [told, ...lines] = text.split("\n");
      if (told === origin) return;
      for (const { id, change } of noticesIn(lines)) onChange(id, change);
    });
  }

  /** The cache is not its own: parts.ts closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #flush(): void {
    const lines = this.#lines;
    this.#lines = [];
    for (let from = 0; from < lines.length; from += noticesMax) {
      this.#send("changes", [this.#options.origin, ...lines.slice(from, from + noticesMax)].join("\n"));
    }
  }

  #send(name: string, text: string): void {
    void this.#options.cache.call((client) => client.publish(this.#channel(name), text));
  }

  #channel(name: string): string {
    return channelOf(this.#options.cache.prefix, name);
  }
}

function channelOf(prefix: string, name: string): string {
  return `${prefix}:${name}`;
}
