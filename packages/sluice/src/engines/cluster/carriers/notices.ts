// Tells the other processes that requests changed, and that queues were paused or resumed. Best effort: the ledger has
// the truth, and whoever missed a notice finds it there.
import { parseRequestId, type RequestId } from "../../../core/request-id.ts";
import { states } from "../../../core/request.ts";
import type { Change } from "../../../engine/engine.ts";
import type { Cache } from "./cache.ts";
import type { CacheClient } from "./redis-primary.ts";

export interface NoticesOptions {
  readonly cache: Cache;
  /** Tells this process from the others, so that it does not hear itself. */
  readonly origin: string;
}

export interface Notice {
  readonly id: RequestId;
  readonly change: Change;
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

export class Notices {
  readonly #cache: Cache;
  readonly #origin: string;
  #lines: string[] = [];

  constructor({ cache, origin }: NoticesOptions) {
    this.#cache = cache;
    this.#origin = origin;
  }

  /** All of one turn of the event loop go together, up to 1,000. */
  publish(changes: readonly Notice[]): void {
    if (this.#lines.length === 0 && changes.length > 0) setImmediate(() => this.#flush());
    for (const { id, change } of changes) this.#lines.push(lineOf(id, change));
  }

  /** Calls back with each change that another process tells. */
  subscribe(onChange: (id: RequestId, change: Change) => void): void {
    void this.#cache.subscribe(this.#channel("changes"), (text) => {
      const [origin, ...lines] = text.split("\n");
      if (origin === this.#origin) return;
      for (const line of lines) {
        const notice = noticeOf(line);
        if (notice !== undefined) onChange(notice.id, notice.change);
      }
    });
  }

  publishQueues(): void {
    this.#send("queues", this.#origin);
  }

  /** Calls back when another process paused or resumed a queue. */
  onQueues(callback: () => void): void {
    void this.#cache.subscribe(this.#channel("queues"), (origin) => {
      if (origin !== this.#origin) callback();
    });
  }

  #flush(): void {
    const lines = this.#lines;
    this.#lines = [];
    for (let from = 0; from < lines.length; from += noticesMax) {
      this.#send("changes", [this.#origin, ...lines.slice(from, from + noticesMax)].join("\n"));
    }
  }

  #send(name: string, text: string): void {
    void this.#cache.call((client) => client.publish(this.#channel(name), text));
  }

  #channel(name: string): string {
    return channelOf(this.#cache.prefix, name);
  }
}

function channelOf(prefix: string, name: string): string {
  return `${prefix}:${name}`;
}

/** `<id> done 1767225600000`, or `<id> {"percent":10}`. */
function lineOf(id: RequestId, change: Change): string {
  return change.kind === "state" ? `${id} ${change.state} ${change.at}` : `${id} ${jsonOf(change.progress)}`;
}

const idLength = 36;

function noticeOf(line: string): Notice | undefined {
  const id = parseRequestId(line.slice(0, idLength));
  if (id === undefined) return undefined;
  const rest = line.slice(idLength + 1);
  const space = rest.indexOf(" ");
  const state = states.find((name) => name === rest.slice(0, space));
  const at = Number(rest.slice(space + 1));
  if (state !== undefined && Number.isSafeInteger(at)) return { id, change: { kind: "state", state, at } };
  try {
    return { id, change: { kind: "progress", progress: JSON.parse(rest) } };
  } catch {
    return undefined; // of another version of Sluice
  }
}

/** What JSON does not know is told as null. */
function jsonOf(progress: unknown): string {
  try {
    return JSON.stringify(progress) ?? "null";
  } catch {
    return "null";
  }
}
