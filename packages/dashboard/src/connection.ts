// Keeps the overview's event stream open, and tells when it breaks and comes back. It owns the stream under way and the
// wait before the next one.
import { ApiError, call, chunksOf, hasKey, isAbort, problemWords } from "./api.ts";
import { readEvents } from "./event-reader.ts";
import { eventKinds, nothingKnown, reduce, type Live, type LiveEvent } from "./live.ts";

const retryMinMs = 500;
const retryMaxMs = 5_000;
/** The gateway says something at least each fifteen seconds. */
const silenceMs = 25_000;

export class Connection {
  #live: Live = nothingKnown;
  readonly #listeners = new Set<() => void>();
  #wake: (() => void) | undefined;
  #failures = 0;

  get live(): Live {
    return this.#live;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Reads the stream again and again, for as long as the page lives. */
  async run(): Promise<never> {
    for (;;) {
      try {
        await this.#read();
        this.#gone();
      } catch (error) {
        if (error instanceof ApiError && (error.status === 401 || error.status === 403)) {
          this.#tell({ kind: "link", link: { kind: "locked", why: hasKey() ? problemWords(error) : undefined } });
        } else this.#gone();
      }
      await this.#waitToRetry();
    }
  }

  /** Tries at once: a key was given, or somebody does not want to wait. */
  retry(): void {
    this.#wake?.();
  }

  async #read(): Promise<void> {
    const abort = new AbortController();
    let silence = setTimeout(() => abort.abort(), silenceMs);
    const listen = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => abort.abort(), silenceMs);
    };
    try {
      const { body } = await call("/v1/overview/events", { signal: abort.signal });
      for await (const { event, data } of readEvents(heard(body, listen))) {
        this.#failures = 0;
        if (this.#live.link.kind !== "live") this.#tell({ kind: "link", link: { kind: "live" } });
        if (eventKinds.has(event)) this.#tell({ kind: event, data: JSON.parse(data) } as LiveEvent);
      }
    } catch (error) {
      if (!isAbort(error)) throw error;
    } finally {
      clearTimeout(silence);
      abort.abort();
    }
  }

  #gone(): void {
    const before = this.#live.link;
    const sinceMs = before.kind === "gone" ? before.sinceMs : Date.now();
    const waitMs = Math.min(retryMaxMs, retryMinMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#tell({ kind: "link", link: { kind: "gone", sinceMs, retryAtMs: Date.now() + waitMs } });
  }

  async #waitToRetry(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { link } = this.#live;
    const timer = link.kind === "gone" ? setTimeout(resolve, link.retryAtMs - Date.now()) : undefined;
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #tell(event: LiveEvent): void {
    this.#live = reduce(this.#live, event);
    for (const listener of this.#listeners) listener();
  }
}

async function* heard(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  listen: () => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunksOf(body)) {
    listen();
    yield chunk;
  }
}
