// The client of a day: offers each minute's requests when its time has come, over a few connections, nine in ten of them
// in batches, and sends again, under the same keys, whatever it has no receipt for.
import { EventEmitter } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "undici";
import type { BookLine, Books, Range } from "./books.ts";
import { Jobs } from "./jobs.ts";
import { keyOf, type Parcels } from "./parcels.ts";
import { minutesPerDay, minuteStarts } from "./shape.ts";

export interface DaySenderOptions {
  readonly urls: readonly string[];
  readonly parcels: Parcels;
  readonly books: Books;
  /** Simulated seconds in a second. */
  readonly speed: number;
}

const connections = 24;
const batchLinesMax = 500;
/** One request in ten goes alone. */
const singleShare = 0.1;
const answerMsMax = 60_000;
/** A client's patience after a refusal or a broken connection. */
const pauseMs = 100;

type Answer = Exclude<BookLine, { readonly kind: "sent" | "result" }>;

export class DaySender {
  readonly #options: DaySenderOptions;
  readonly #jobs = new Jobs();
  readonly #events = new EventEmitter();
  /** Requests with a receipt so far. */
  accepted = 0;
  /** One of the newest receipts. */
  lastId: string | undefined;
  /** How far the client fell behind the day's clock at most. */
  behindMsMax = 0;

  constructor(options: DaySenderOptions) {
    this.#options = options;
  }

  onReceipt(callback: () => void): void {
    this.#events.on("receipt", callback);
  }

  /** Resolves once the day is over and every request has its receipt, or soon after the signal aborts. */
  async send({ signal }: { readonly signal: AbortSignal }): Promise<void> {
    const sending = Array.from({ length: connections }, (_, turn) => this.#sendInTurn(turn, signal));
    await Promise.all([this.#pace(signal), ...sending]);
  }

  async #pace(signal: AbortSignal): Promise<void> {
    const { parcels, speed } = this.#options;
    const starts = minuteStarts(parcels.total);
    const startedAt = performance.now();
    for (let minute = 0; minute < minutesPerDay && !signal.aborted; minute += 1) {
      const dueAt = startedAt + (minute * 60_000) / speed;
      if (dueAt > performance.now()) await rest(dueAt - performance.now(), signal);
      const [from = 0, to = 0] = starts.slice(minute, minute + 2);
      for (const job of rangesOf(from, to)) this.#jobs.add(job);
      this.#noteBehind(from, performance.now() - startedAt, starts);
    }
    this.#jobs.close();
  }

  /** The minute whose requests are all accepted, against the minute that it is. */
  #noteBehind(offered: number, elapsedMs: number, starts: Uint32Array): void {
    if (this.accepted >= offered) return;
    const reached = starts.findLastIndex((start) => start <= this.accepted);
    const behindMs = elapsedMs - (reached * 60_000) / this.#options.speed;
    this.behindMsMax = Math.max(this.behindMsMax, behindMs);
  }

  async #sendInTurn(turn: number, signal: AbortSignal): Promise<void> {
    const { urls } = this.#options;
    const clients = urls.map(
      (url) => new Client(url, { headersTimeout: answerMsMax, bodyTimeout: answerMsMax, connect: { timeout: 5_000 } }),
    );
    for (let at = turn; !signal.aborted;) {
      const job = await this.#jobs.take();
      if (job === undefined) break;
      const isAccepted = await this.#sendOne(clients[at % clients.length] as Client, job);
      if (isAccepted) continue;
      this.#jobs.putBack(job);
      at += 1; // another gateway may be there
      await rest(pauseMs, signal);
    }
    await Promise.all(clients.map((client) => client.close()));
  }

  async #sendOne(client: Client, job: Range): Promise<boolean> {
    const { books } = this.#options;
    await books.append({ kind: "sent", ...job });
    const answer = await this.#post(client, job);
    await books.append(answer);
    if (answer.kind !== "accepted") return false;
    this.accepted += job.count;
    this.lastId = hyphenated(answer.ids.slice(-32));
    this.#events.emit("receipt");
    return true;
  }

  async #post(client: Client, job: Range): Promise<Answer> {
    const { parcels } = this.#options;
    const isSingle = job.count === 1;
    try {
      const { statusCode, body } = await client.request({
        method: "POST",
        path: `/v1/queues/orders/${isSingle ? "requests" : "batches"}`,
        headers: isSingle
          ? { "content-type": "application/json", "idempotency-key": keyOf(job.from) }
          : { "content-type": "application/x-ndjson" },
        body: isSingle ? parcels.body(job.from) : linesOf(parcels, job),
      });
      const text = await body.text();
      if (statusCode === 202) return { kind: "accepted", ...job, ids: idsIn(text, job) };
      if (statusCode === 503 || statusCode === 429) return { kind: "refused", ...job, status: statusCode };
      throw new WrongAnswerError(`a POST of good requests was answered with ${statusCode}: ${text.slice(0, 500)}`);
    } catch (error) {
      if (error instanceof WrongAnswerError) throw error;
      return { kind: "unknown", ...job, reason: error instanceof Error ? error.message : String(error) };
    }
  }
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal }).catch(() => undefined); // told by the signal
}

class WrongAnswerError extends Error {}

function rangesOf(from: number, to: number): readonly Range[] {
  const singles = Math.round((to - from) * singleShare);
  const ranges: Range[] = [];
  for (let number = from; number < to - singles; number += batchLinesMax)
    ranges.push({ from: number, count: Math.min(batchLinesMax, to - singles - number) });
  for (let number = to - singles; number < to; number += 1) ranges.push({ from: number, count: 1 });
  return ranges;
}

function linesOf(parcels: Parcels, { from, count }: Range): string {
  let lines = "";
  for (let number = from; number < from + count; number += 1)
    lines += `{"key":"${keyOf(number)}","body":${parcels.body(number)}}\n`;
  return lines;
}

function idsIn(text: string, { count }: Range): string {
  // An id stands once in each receipt; to parse 500 of them whole would cost more than to store them.
  const ids = Array.from(text.matchAll(/"id":"([0-9a-f-]{36})"/g), ([, id = ""]) => id.replaceAll("-", ""));
  if (ids.length !== count) throw new WrongAnswerError(`${count} requests got ${ids.length} receipts`);
  return ids.join("");
}

function hyphenated(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
