// The client of a fault run: sends parcels over HTTP, writes what it saw into the ledger, and sends again, under the
// same key, whatever it has no receipt for.
import type { Ledger } from "./ledger.ts";
import type { Parcel } from "./parcel.ts";

export type Answer =
  | { readonly kind: "accepted"; readonly id: string }
  | { readonly kind: "refused"; readonly status: number }
  | { readonly kind: "unknown" };

export interface SendOptions {
  /** Where the gateway listens. */
  readonly url: string;
  readonly concurrency: number;
  /** Stops between two parcels. */
  readonly signal: AbortSignal;
  /** New parcels at most; those without a receipt come first and on top. */
  readonly newMax: number;
}

const answerMsMax = 30_000;
/** A client's patience after a refusal or a broken connection. */
const pauseMs = 10;

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

  /** Sends until the signal aborts, or until `newMax` new ones and all the old ones have a receipt. */
  async send(options: SendOptions): Promise<void> {
    let newLeft = options.newMax;
    const take = (): Parcel | undefined => {
      const parcel = this.#withoutReceipt.shift();
      if (parcel !== undefined || newLeft === 0) return parcel;
      newLeft -= 1;
      return this.#next();
    };
    await Promise.all(Array.from({ length: options.concurrency }, () => this.#sendInTurn(take, options)));
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

  async #sendInTurn(take: () => Parcel | undefined, { url, signal }: SendOptions): Promise<void> {
    while (!signal.aborted) {
      const parcel = take();
      if (parcel === undefined) return;
      const answer = await sendOne({ url, parcel, ledger: this.#ledger });
      if (answer.kind === "accepted") {
        this.ids.push(answer.id);
        for (const watch of this.#watchers) watch();
        continue;
      }
      this.#withoutReceipt.push(parcel);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
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
  if (response.status !== 202) return { kind: "refused", status: response.status };
  return { kind: "accepted", id: (JSON.parse(text) as { readonly id: string }).id };
}
