// Turns outcomes whose requests want a callback into requests of the callbacks' own queue. It owns nothing that must last:
// what is due is in the store until it is noted as told there, and a callback accepted twice is the same request, by its
// key. So it may die between any two of its steps, and several of it do no harm.
import { callbackRequestOf, callbackResultBytesMax, type DueCallback } from "../core/callback.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import { isFinal, type NewRequest } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import { crashPoint } from "../engine/crash-point.ts";
import type { Engine } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";

/** What it needs of an engine. */
export type RelayEngine = Pick<Engine, "callbacksDue" | "callbacksTold" | "read" | "readResult" | "accept">;

export interface CallbackRelayOptions {
  readonly engine: RelayEngine;
  /** Whether this process is the one to do it; always unless given. */
  readonly leads?: (() => Promise<boolean>) | undefined;
  readonly log: Logger;
  /** How often it looks; 500 unless set. */
  readonly everyMs?: number;
}

/** What one look goes through of those without an outcome yet. Most that have one are at the head of the line. */
const pageRows = 1_000;
const pagesPerLook = 10;
/** Accepted with one commit; each may have a result in memory. */
const groupMax = 32;

export class CallbackRelay implements AsyncDisposable {
  readonly #options: CallbackRelayOptions;
  readonly #closing = new AbortController();
  /** Where the last look ended its walk along the line. */
  #walkedTo: RequestId | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: CallbackRelayOptions) {
    this.#options = options;
    this.#lookLater();
  }

  /** One look now; for tests, and at each beat. */
  async look(): Promise<void> {
    const { engine, leads } = this.#options;
    if (leads !== undefined && !(await leads())) return;
    const head = await engine.callbacksDue({ max: pageRows });
    await this.#tell(head.due);
    let after = head.next === undefined ? undefined : (this.#walkedTo ?? head.next);
    for (let pages = 0; pages < pagesPerLook && after !== undefined; pages += 1) {
      const page = await engine.callbacksDue({ after, max: pageRows });
      await this.#tell(page.due);
      after = page.next;
    }
    this.#walkedTo = after;
  }

  /** Waits for a look under way. Twice is safe. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#timer);
    await this.#looking;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #lookLater(): void {
    if (this.#closing.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#lookSafely().finally(() => this.#lookLater());
    }, this.#options.everyMs ?? 500);
  }

  /** An unavailable store is no reason to stop looking: what is due waits in it. */
  async #lookSafely(): Promise<void> {
    try {
      await this.look();
    } catch (error) {
      if (!(error instanceof SluiceError) || !error.isRetryable) throw error;
      this.#options.log.warn({ err: messageOf(error) }, "callbacks have to wait");
    }
  }

  async #tell(due: readonly DueCallback[]): Promise<void> {
    for (let at = 0; at < due.length && !this.#closing.signal.aborted; at += groupMax) {
      const group = due.slice(at, at + groupMax);
      const made = await Promise.all(group.map((callback) => this.#made(callback)));
      await this.#accept(made.filter((one) => one !== undefined));
    }
  }

  /** Undefined when the outcome has gone since: a replay took it back. */
  async #made(callback: DueCallback): Promise<Made | undefined> {
    const { engine } = this.#options;
    const status = await engine.read(callback.id);
    if (status === undefined || !isFinal(status.state) || status.finishedAt !== callback.finishedAt) return undefined;
    const { result: known } = callback;
    const isSmall = known !== undefined && known.byteCount <= callbackResultBytesMax;
    const result = isSmall ? await engine.readResult(callback.id) : undefined;
    if (isSmall && result === undefined) return undefined;
    return { callback, request: callbackRequestOf({ callback, status, result }) };
  }

  async #accept(made: readonly Made[]): Promise<void> {
    if (made.length === 0) return;
    const { engine, log } = this.#options;
    const answer = await engine.accept(made.map(({ request }) => request));
    switch (answer.kind) {
      case "accepted":
        crashPoint("callback-accepted");
        await engine.callbacksTold(made.map(({ callback }) => callback));
        return;
      case "key-reused": {
        // An earlier version wrote it in other words, and died before it could note it.
        const known = made[answer.index] as Made;
        await engine.callbacksTold([known.callback]);
        return this.#accept(made.filter((one) => one !== known));
      }
      case "backlog-full":
      case "group-full":
        log.warn({ waiting: made.length }, "the callbacks' backlog is at its bound: callbacks have to wait");
        return;
      default:
        answer satisfies never;
    }
  }
}

interface Made {
  readonly callback: DueCallback;
  readonly request: NewRequest;
}
