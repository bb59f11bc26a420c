// Looks at the queue over HTTP again and again, and keeps what it saw.
import { setInterval } from "node:timers/promises";

export interface Sample {
  readonly seconds: number;
  readonly backlog: number;
  /** Workers that are present. */
  readonly workers: number;
}

interface WireQueue {
  readonly backlog: number;
  readonly workers: number;
}

const everyMs = 500;

export class Curve implements AsyncDisposable {
  readonly samples: Sample[] = [];
  readonly #stopping = new AbortController();
  readonly #watchers = new Set<() => void>();
  readonly #looking: Promise<void>;
  readonly #startedAt = performance.now();

  constructor(url: string) {
    this.#looking = this.#look(`${url}/v1/queues/orders`);
  }

  /** Resolves once so many workers are present. */
  present(count: number): Promise<void> {
    return this.#until(({ workers }) => workers === count);
  }

  /** Resolves once nothing waits or runs. */
  drained(): Promise<void> {
    return this.#until(({ backlog }) => backlog === 0);
  }

  #until(isMeant: (sample: Sample) => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watch = (): void => {
        const last = this.samples.at(-1);
        if (last === undefined || !isMeant(last)) return;
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  async #look(url: string): Promise<void> {
    try {
      for await (const _ of setInterval(everyMs, undefined, { signal: this.#stopping.signal })) {
        const seconds = (performance.now() - this.#startedAt) / 1_000;
        const queue = await readQueue(url);
        if (queue === undefined) continue;
        this.samples.push({ seconds, backlog: queue.backlog, workers: queue.workers });
        for (const watch of this.#watchers) watch();
      }
    } catch (error) {
      if (!this.#stopping.signal.aborted) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#looking;
  }
}

/** Undefined while nobody answers: the gateway may not be there yet. */
async function readQueue(url: string): Promise<WireQueue | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    return response.ok ? ((await response.json()) as WireQueue) : undefined;
  } catch {
    return undefined;
  }
}
