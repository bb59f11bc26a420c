// Sends a day: offers each request when its time has come, over a few connections, most of them in batches, and sends
// again, under the same keys, whatever has no receipt.
import { setInterval as ticks, setTimeout as delay } from "node:timers/promises";
import { SluiceClientError, type Placement, type SluiceClient } from "@sluice/client";
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import type { Arrivals } from "../planner/arrivals.ts";
import type { Books, Range } from "./books.ts";
import { arrivalMsOf, arrivedBy, lengthMsOf } from "./compressed-day.ts";
import type { Payloads } from "./payloads.ts";

export interface DaySenderOptions {
  /** One for each gateway; each of their calls is a single attempt, so that the books see every answer. */
  readonly clients: readonly [SluiceClient, ...SluiceClient[]];
  readonly queue: string;
  /** As it is sent: compressed already. */
  readonly day: Arrivals;
  readonly payloads: Payloads;
  /** The Idempotency-Key of a request, by its number. */
  readonly keyOf: (number: number) => string;
  /** Its order key and group; nothing unless given. */
  readonly placementOf?: ((number: number) => Placement) | undefined;
  readonly books: Books;
  readonly clock: Clock;
  /** Of the requests, the share that is sent one in a POST; the others travel in batches. */
  readonly singleShare: number;
  /** Whether the day stands still while nothing is accepted; else what came due meanwhile is sent at once afterwards. */
  readonly isHeldUp: boolean;
  /** How long no receipt may come before it gives up. */
  readonly patienceMs: number;
}

const connections = 16;
const batchLinesMax = 500;
const batchBytesMax = 1024 ** 2;
const tickMs = 20;
/** After a refusal or a broken connection. */
const pauseMs = 100;

export class DaySender {
  readonly #options: DaySenderOptions;
  readonly #returned: Range[] = [];
  #due = 0;
  #next = 0;
  #underWay = 0;
  #singles = 0;
  #startedAt = 0;
  #heldUpMs = 0;
  #isOver = false;
  #wake = Promise.withResolvers<void>();
  #failingSince: number | undefined;
  /** How far receipts came after their requests were due, at most. */
  behindMsMax = 0;

  constructor(options: DaySenderOptions) {
    this.#options = options;
  }

  /** Resolves once the day is over and every request has its receipt, or soon after `stop`, or when patience ends. */
  async send({ stop, abort }: { readonly stop: AbortSignal; readonly abort: AbortSignal }): Promise<void> {
    const ended = new AbortController();
    const stopped = AbortSignal.any([stop, ended.signal]);
    const connect = async (turn: number): Promise<void> => {
      try {
        await this.#sendInTurn(turn, { stop: stopped, abort });
      } catch (error) {
        ended.abort(error); // the others would go on without it
        throw error;
      }
    };
    stopped.addEventListener("abort", () => this.#rouse(), { once: true });
    const pacing = this.#pace(stopped);
    const sending = await Promise.allSettled(Array.from({ length: connections }, (_, turn) => connect(turn)));
    ended.abort();
    await pacing;
    for (const result of sending) if (result.status === "rejected") throw result.reason as Error;
  }

  async #pace(stop: AbortSignal): Promise<void> {
    const { day, clock } = this.#options;
    this.#startedAt = clock.monotonic();
    let tickedAt = this.#startedAt;
    try {
      for await (const _tick of ticks(tickMs, undefined, { signal: stop })) {
        const now = clock.monotonic();
        if (this.#options.isHeldUp && this.#failingSince !== undefined) this.#heldUpMs += now - tickedAt;
        tickedAt = now;
        const elapsedMs = this.#elapsedMs;
        this.#due = arrivedBy(day, elapsedMs);
        this.#isOver = elapsedMs >= lengthMsOf(day);
        this.#rouse();
        if (this.#isOver) return;
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    }
  }

  get #elapsedMs(): number {
    return this.#options.clock.monotonic() - this.#startedAt - this.#heldUpMs;
  }

  async #sendInTurn(turn: number, { stop, abort }: { stop: AbortSignal; abort: AbortSignal }): Promise<void> {
    const { clients, clock, patienceMs } = this.#options;
    for (let at = turn; !stop.aborted;) {
      const range = this.#take();
      if (range === undefined) {
        if (this.#isOver && this.#underWay === 0) return this.#rouse();
        await this.#wake.promise;
        continue;
      }
      this.#underWay += 1;
      const isAccepted = await this.#sendOne(clients[at % clients.length] ?? clients[0], { range, abort });
      this.#underWay -= 1;
      if (isAccepted) {
        this.#failingSince = undefined;
        if (this.#isOver) this.#rouse();
        continue;
      }
      this.#failingSince ??= clock.monotonic();
      this.#returned.push(range);
      if (clock.monotonic() - this.#failingSince > patienceMs) return this.#rouse();
      at += 1; // another gateway may be there
      await delay(pauseMs, undefined, { signal: stop }).catch(() => undefined); // told by the signal
    }
  }

  #take(): Range | undefined {
    const returned = this.#returned.shift();
    if (returned !== undefined) return returned;
    const free = this.#due - this.#next;
    if (free <= 0) return undefined;
    const isSingle = this.#singles < this.#options.singleShare * (this.#next + 1);
    const fitting = Math.max(1, Math.floor(batchBytesMax / this.#options.payloads.bytesMax));
    const count = isSingle ? 1 : Math.min(batchLinesMax, fitting, free);
    if (count === 1) this.#singles += 1;
    const range = { from: this.#next, count };
    this.#next += count;
    return range;
  }

  #rouse(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Whether there are receipts. What is refused for good ends the rehearsal: it throws. */
  async #sendOne(client: SluiceClient, { range, abort }: { range: Range; abort: AbortSignal }): Promise<boolean> {
    const { books, day } = this.#options;
    await books.note({ kind: "sent", ...range });
    let ids: readonly string[];
    try {
      ids = await this.#post(client, { range, abort });
    } catch (error) {
      const reason = messageOf(error);
      if (!(error instanceof SluiceClientError)) {
        if (abort.aborted) await books.note({ kind: "unknown", ...range, reason });
        throw error;
      }
      if (error.kind === "unavailable") await books.note({ kind: "refused", ...range, status: error.status });
      else if (error.kind === "unknown") await books.note({ kind: "unknown", ...range, reason });
      else throw error;
      return false;
    }
    await books.note({ kind: "accepted", ...range, ids });
    this.behindMsMax = Math.max(this.behindMsMax, this.#elapsedMs - arrivalMsOf(day, range.from));
    return true;
  }

  async #post(client: SluiceClient, { range, abort: signal }: { range: Range; abort: AbortSignal }): Promise<string[]> {
    const { queue, payloads, keyOf, placementOf } = this.#options;
    const { contentType } = payloads;
    const { from, count } = range;
    if (count === 1) {
      const single = { key: keyOf(from), contentType, signal, ...placementOf?.(from) };
      return [(await client.submit(queue, payloads.of(from), single)).id];
    }
    const items = Array.from({ length: count }, (_, offset) => ({
      key: keyOf(from + offset),
      body: payloads.of(from + offset),
      contentType,
      ...placementOf?.(from + offset),
    }));
    const batch = { batchSize: count, batchBytesMax: Number.MAX_SAFE_INTEGER, underWayMax: 1, signal };
    const ids: string[] = [];
    for await (const { id } of client.submitMany(queue, items, batch)) ids.push(id);
    return ids;
  }
}
