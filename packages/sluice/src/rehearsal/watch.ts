// Looks at the deployment while the day goes on: the backlog, as the queue tells it, and now and then a result, whose
// bytes must be the same in the end.
import { createHash } from "node:crypto";
import { setInterval as ticks } from "node:timers/promises";
import type { SluiceClient } from "@sluice/client";
import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/seeded-random.ts";
import type { Books } from "./books.ts";

export interface Reading {
  readonly atMs: number;
  readonly backlog: number;
}

export interface WatchOptions {
  readonly clients: readonly [SluiceClient, ...SluiceClient[]];
  readonly queue: string;
  readonly books: Books;
  readonly random: Random;
  readonly clock: Clock;
  readonly patienceMs: number;
}

const lookEveryMs = 200;

export class Watch {
  readonly readings: Reading[] = [];
  /** Results that were read on the way: request number to hash. */
  readonly seenResults = new Map<number, string>();
  readonly #options: WatchOptions;
  readonly #startedAt: number;
  /** When receipts or the backlog last changed. */
  #movedAt: number;
  #last = "";
  #looks = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#startedAt = options.clock.monotonic();
    this.#movedAt = this.#startedAt;
  }

  /** Looks until the signal aborts, or `isEnough` says so after a look. Never rejects for a server that is away. */
  async look(signal: AbortSignal, isEnough: () => boolean = () => false): Promise<void> {
    try {
      for await (const _tick of ticks(lookEveryMs, undefined, { signal })) {
        await this.#lookOnce(signal);
        if (isEnough()) return;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  get elapsedMs(): number {
    return this.#options.clock.monotonic() - this.#startedAt;
  }

  get backlog(): number {
    return this.readings.at(-1)?.backlog ?? 0;
  }

  get peak(): number {
    return this.readings.reduce((most, { backlog }) => Math.max(most, backlog), 0);
  }

  /** Nothing changed for longer than patience lasts. */
  get isStuck(): boolean {
    return this.#options.clock.monotonic() - this.#movedAt > this.#options.patienceMs;
  }

  async #lookOnce(signal: AbortSignal): Promise<void> {
    const { clients, queue, books, clock } = this.#options;
    this.#looks += 1;
    const client = clients[this.#looks % clients.length] ?? clients[0];
    try {
      const { backlog, counts } = await client.queue(queue, { signal });
      this.readings.push({ atMs: this.elapsedMs, backlog });
      const now = `${books.accepted} ${backlog} ${counts.done} ${counts.dead}`;
      if (now !== this.#last) this.#movedAt = clock.monotonic();
      this.#last = now;
      await this.#readOne(client, signal);
    } catch {
      signal.throwIfAborted(); // a gateway that was killed is looked at again
    }
  }

  async #readOne(client: SluiceClient, signal: AbortSignal): Promise<void> {
    const { books, random } = this.#options;
    const number = Math.floor(random.next() * books.accepted);
    const id = books.idOf(number);
    if (id === undefined || this.seenResults.has(number)) return;
    const { bytes } = await client.result(id, { signal });
    await books.note({ kind: "result", number, id, bytes });
    this.seenResults.set(number, hashOf(bytes));
  }
}

export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("base64");
}
