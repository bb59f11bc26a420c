// How far the server is with what it accepted, as it says itself.
import { setTimeout as sleep } from "node:timers/promises";
import { SluiceClientError } from "@sluice/client";
import type { SluiceClient, WireQueue } from "@sluice/client";
import type { Server } from "./server.ts";

const lookEveryMs = 150;

export interface BacklogOptions {
  readonly client: SluiceClient;
  readonly server: Server;
  readonly signal: AbortSignal;
}

export class Backlog {
  /** What the queue looked like last. */
  latest: WireQueue | undefined;
  readonly #options: BacklogOptions;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** Looks again and again until the signal aborts. */
  async watch(until: AbortSignal): Promise<void> {
    while (!until.aborted) {
      await this.#look();
      await sleep(lookEveryMs);
    }
  }

  /** Resolves once all that was accepted has an outcome. */
  async drained(): Promise<WireQueue> {
    for (;;) {
      const queue = await this.#look();
      if (queue?.backlog === 0) return queue;
      await sleep(lookEveryMs, undefined, { signal: this.#options.signal });
    }
  }

  async #look(): Promise<WireQueue | undefined> {
    const { client, server, signal } = this.#options;
    await server.up();
    try {
      this.latest = await client.queue("github", { signal });
      return this.latest;
    } catch (error) {
      if (error instanceof SluiceClientError && error.kind === "unknown") return undefined; // killed meanwhile: look again
      throw error;
    }
  }
}
