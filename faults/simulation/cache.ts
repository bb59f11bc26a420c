// The simulated cache: notices and tokens of rates, all of which it may lose.
import type { World } from "./world.ts";

interface CacheClient {
  lose(): void;
}

export class CacheServer {
  isUp = true;
  readonly clients = new Set<CacheClient>();
  readonly #world: World;
  readonly #subscribed = new Map<CacheClient, Map<string, (text: string) => void>>();
  readonly #emptyAt = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  restart(downMs: number): void {
    this.isUp = false;
    this.#emptyAt.clear();
    for (const client of this.clients) client.lose();
    this.#world.time.after(downMs, () => (this.isUp = true));
  }

  forget(client: CacheClient): void {
    this.clients.delete(client);
    this.#subscribed.delete(client);
  }

  subscribe(client: CacheClient, channel: string, listener: (text: string) => void): void {
    const own = this.#subscribed.get(client) ?? new Map<string, (text: string) => void>();
    this.#subscribed.set(client, own.set(channel, listener));
  }

  unsubscribe(client: CacheClient, channel: string): void {
    this.#subscribed.get(client)?.delete(channel);
  }

  publish(channel: string, text: string): number {
    let heard = 0;
    for (const own of this.#subscribed.values()) {
      const listener = own.get(channel);
      if (listener === undefined || this.#world.faults.isNoticeLost()) continue;
      listener(text);
      heard += 1;
    }
    return heard;
  }

  /** The script of redis-tokens.ts. */
  takeTokens(key: string, values: readonly number[]): [number, number] {
    const [perToken = 1, burst = 1, wanted = 1] = values;
    const now = Math.floor(this.#world.time.now * 1_000);
    const stored = this.#emptyAt.get(key) ?? now - perToken;
    const emptyAt = Math.min(now, Math.max(stored, now - perToken * burst));
    const granted = Math.min(wanted, Math.floor((now - emptyAt) / perToken + 1e-6));
    this.#emptyAt.set(key, emptyAt + granted * perToken);
    return [granted, Math.max(0, Math.ceil(emptyAt + (granted + 1) * perToken - now))];
  }
}
