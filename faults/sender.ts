// The client of a fault run: sends parcels over HTTP, writes what it saw into the ledger, and sends again, under the
// same key, whatever it has no receipt for.
import { setTimeout as delay } from "node:timers/promises";
import type { Ledger } from "./ledger.ts";
import type { Parcel } from "./parcel.ts";

export type Answer =
  | { readonly kind: "accepted"; readonly id: string }
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
  /** Rest after a refusal or a broken connection; 10 unless given. */
  readonly pauseMs?: number | undefined;
}

const answerMsMax = 30_000;

export class Sender {
  readonly #ledger: Ledger;
  readonly #next: () => Parcel;
  readonly #withoutReceipt: Parcel[] = [];
  readonly #watchers = new Set<() => void>();
  /** Ids with a receipt, in the order they came. */
  readonly ids: string[] = [];

  constructor(ledger: Ledger, next: () => Parcel) {
    this.#ledger = ledger;
    this.#next = next;
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
      const answer = await sendOne({ url, parcel, ledger: this.#ledger });
      if (answer.kind === "accepted") {
        this.ids.push(answer.id);
        for (const watch of this.#watchers) watch();
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

/** One POST, with its lines in the ledger before and after. */
export async function sendOne({
  url,
  parcel,
  ledger,
}: {
  url: string;
  parcel: Parcel;
  ledger: Ledger;
}): Promise<Answer> {
  const { key, sha256 } = parcel;
  await ledger.append({ kind: "sent", key, sha256 });
  try {
    const answer = await post(url, parcel);
    if (answer.kind === "accepted") await ledger.append({ kind: "accepted", key, sha256, id: answer.id });
    else await ledger.append({ kind: "refused", key, sha256, status: answer.status });
    return answer;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    await ledger.append({ kind: "unknown", key, sha256, reason });
    return { kind: "unknown" };
  }
}

async function post(url: string, { key, body }: Parcel): Promise<Exclude<Answer, { kind: "unknown" }>> {
  const response = await fetch(`${url}/v1/queues/orders/requests`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream", "idempotency-key": key },
    body: new Uint8Array(body),
    signal: AbortSignal.timeout(answerMsMax),
  });
  const text = await response.text();
  const { status, headers } = response;
  if (status !== 202) return { kind: "refused", status, retryAfter: headers.get("retry-after") };
  return { kind: "accepted", id: (JSON.parse(text) as { readonly id: string }).id };
}
