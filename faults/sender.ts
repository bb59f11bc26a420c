// The client of a fault run: sends parcels over HTTP, writes what it saw into the ledger, and sends again, under the
// same key, whatever it has no receipt for.
import { setTimeout as delay } from "node:timers/promises";
import { frontCall, orderedHeaders, type Call, type Door } from "./door.ts";
import type { Ledger, LedgerLine } from "./ledger.ts";
import { sha256Of, type Parcel } from "./parcel.ts";
import { bodyHashIn } from "./readings.ts";

export type Answer =
  | {
      readonly kind: "accepted";
      readonly id: string;
      /** B's own response, if its sender waited for it. */
      readonly response?: Buffer;
    }
  | { readonly kind: "refused"; readonly status: number; readonly retryAfter: string | null }
  | { readonly kind: "unknown" };

export interface SendOptions {
  /** Where the gateway listens. Of several, each turn keeps to one until it gets no receipt there. */
  readonly url: string | readonly string[];
  readonly concurrency: number;
  /** Stops between two parcels. */
  readonly signal: AbortSignal;
  /** New parcels at most; those without a receipt come first and on top. */
  readonly newMax: number;
  /** Rest of a turn after each receipt; none unless given. */
  readonly restMs?: number;
  /** Whether a turn goes on to the next of several after each receipt. */
  readonly isInTurn?: boolean | undefined;
  /** Rest after a refusal or a broken connection; 10 unless given. */
  readonly pauseMs?: number | undefined;
}

const answerMsMax = 30_000;
const waitSeconds = 5;

export class Sender {
  readonly #ledger: Ledger;
  readonly #next: () => Parcel;
  readonly #withoutReceipt: Parcel[] = [];
  readonly #watchers = new Set<() => void>();
  /** Ids with a receipt, in the order they came. */
  readonly ids: string[] = [];
  readonly door: Door;
  #responses = 0;

  constructor(ledger: Ledger, next: () => Parcel, door: Door = "api") {
    this.#ledger = ledger;
    this.#next = next;
    this.door = door;
  }

  /** How often it got B's own response. */
  get responses(): number {
    return this.#responses;
  }

  /** Parcels that were sent and have no receipt. */
  get withoutReceipt(): number {
    return this.#withoutReceipt.length;
  }

  /** Sends until the signal aborts, or until `newMax` new ones and all the old ones have a receipt. */
  async send(options: SendOptions): Promise<void> {
    let newLeft = options.newMax;
    const take = (): Parcel | undefined => {
      const parcel = this.#withoutReceipt.shift();
      if (parcel !== undefined || newLeft === 0) return parcel;
      newLeft -= 1;
      return this.#next();
    };
    await Promise.all(Array.from({ length: options.concurrency }, (_, turn) => this.#sendInTurn(turn, take, options)));
    // What another turn put back while the last ones ended.
    if (this.#withoutReceipt.length > 0 && !options.signal.aborted) await this.send({ ...options, newMax: 0 });
  }

  /** Resolves once as many more have a receipt. */
  acceptedMore(count: number): Promise<void> {
    const goal = this.ids.length + count;
    return new Promise((resolve) => {
      const watch = (): void => {
        if (this.ids.length < goal) return;
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
    });
  }

  async #sendInTurn(turn: number, take: () => Parcel | undefined, options: SendOptions): Promise<void> {
    const { signal, restMs = 0, pauseMs = 10 } = options;
    const urls = [options.url].flat();
    for (let at = turn; !signal.aborted;) {
      const parcel = take();
      if (parcel === undefined) return;
      const url = urls[at % urls.length] as string;
      const answer = await sendOne({ url, parcel, ledger: this.#ledger, door: this.door });
      if (answer.kind === "accepted") {
        if (answer.response !== undefined) this.#responses += 1;
        this.ids.push(answer.id);
        for (const watch of this.#watchers) watch();
        if (options.isInTurn === true) at += 1;
        if (restMs > 0) await rest(restMs, signal);
        continue;
      }
      this.#withoutReceipt.push(parcel);
      at += 1;
      await rest(pauseMs, signal);
    }
  }
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return delay(ms, undefined, { signal }).catch(() => undefined); // told by the signal
}

/** One call, with its lines in the ledger before and after. */
export async function sendOne({
  url,
  parcel,
  ledger,
  door = "api",
}: {
  url: string;
  parcel: Parcel;
  ledger: Ledger;
  door?: Door;
}): Promise<Answer> {
  const { key, sha256 } = parcel;
  await ledger.append({ kind: "sent", key, sha256 });
  try {
    const answer = await post(url, parcel, door);
    if (answer.kind === "accepted") await ledger.append(...linesOf(parcel, answer));
    else await ledger.append({ kind: "refused", key, sha256, status: answer.status });
    return answer;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    await ledger.append({ kind: "unknown", key, sha256, reason });
    return { kind: "unknown" };
  }
}

function linesOf({ key, sha256 }: Parcel, { id, response }: Extract<Answer, { kind: "accepted" }>): LedgerLine[] {
  const accepted: LedgerLine = { kind: "accepted", key, sha256, id };
  if (response === undefined) return [accepted];
  return [accepted, { kind: "result", id, resultHash: sha256Of(response), resultOf: bodyHashIn(response) }];
}

async function post(url: string, parcel: Parcel, door: Door): Promise<Exclude<Answer, { kind: "unknown" }>> {
  const { method, path, headers } = callOf(parcel, door);
  const answer = await fetch(url + path, {
    method,
    headers: { ...headers, "content-type": "application/octet-stream", "idempotency-key": parcel.key },
    body: new Uint8Array(parcel.body),
    signal: AbortSignal.timeout(answerMsMax),
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  const id = answer.headers.get("sluice-request-id");
  if (answer.status === 200 && id !== null) return { kind: "accepted", id, response: bytes };
  if (answer.status === 202)
    return { kind: "accepted", id: (JSON.parse(bytes.toString()) as { readonly id: string }).id };
  return { kind: "refused", status: answer.status, retryAfter: answer.headers.get("retry-after") };
}

function callOf({ sha256 }: Parcel, door: Door): Call {
  if (door === "api" || door === "ordered")
    return {
      method: "POST",
      path: "/v1/queues/orders/requests",
      headers: door === "api" ? {} : orderedHeaders(sha256),
    };
  const { headers, ...call } = frontCall(sha256);
  return { ...call, headers: door === "front" ? headers : { ...headers, prefer: `wait=${waitSeconds}` } };
}
