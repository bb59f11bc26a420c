import { defaultRepeatPolicy } from "./backoff.ts";
import { batchesOf, type Batch, type EncodedItem, type SubmitItem } from "./batch.ts";
import { contentOf } from "./content.ts";
import { SluiceClientError } from "./errors.ts";
import type {
  CallOptions,
  ClientOptions,
  ListOptions,
  ReplayManyOptions,
  SubmitManyOptions,
  SubmitOptions,
  Submitted,
  WaitOptions,
} from "./options.ts";
import type { Result } from "./result.ts";
import { submitBatches, type ItemReceipt } from "./submit-many.ts";
import { placementHeaders, type Placement } from "./placement.ts";
import { jsonOf, pause, Transport, type Answer } from "./transport.ts";
import type {
  WireAudit,
  WireHealing,
  WireOrderAudit,
  WireReceiptProof,
  WireBatchAnswer,
  WireBatchReceipt,
  WireQueue,
  WireQueueList,
  WireReceipt,
  WireReplayAnswer,
  WireRequest,
  WireRequestList,
  WireState,
} from "./wire.ts";

/** What a submit asks for beside its request. */
interface Asked extends Placement {
  readonly callback?: string | undefined;
}

interface Post extends CallOptions {
  readonly contentType?: string;
  readonly asked?: Asked;
  readonly body?: string;
  readonly isRepeatable: boolean;
}

/** One long poll: short enough for the proxies on the way. */
const pollSeconds = 25;
/** Between polls that were answered at once, by a server that does not hold its answers back. */
const pollPauseMs = 500;

/** Speaks to a Sluice gateway. It holds no connection: there is nothing to close. */
export class SluiceClient {
  readonly #transport: Transport;

  constructor({ url, apiKey, fetch: fetchWith, retry }: ClientOptions) {
    const policy = { ...defaultRepeatPolicy, ...retry };
    this.#transport = new Transport({
      url,
      apiKey,
      policy,
      fetch: fetchWith ?? ((input, init) => fetch(input, init)),
    });
  }

  /**
   * Submits one request; resolves once it is durable. The body is a JSON value, or text, bytes, a Blob or
   * URLSearchParams that are sent as they are. Attempts without an answer are made again with the same key.
   */
  async submit(queue: string, body: unknown, options: SubmitOptions = {}): Promise<Submitted> {
    const { key = crypto.randomUUID(), contentType, headers, waitSeconds, signal } = options;
    const content = await contentOf(body);
    const answer = await this.#transport.call({
      method: "POST",
      path: `${queuePath(queue)}/requests`,
      headers: {
        ...headers,
        ...askedHeaders(options),
        "content-type": contentType ?? content.contentType,
        "idempotency-key": keyHeader(key),
      },
      body: content.bytes,
      waitSeconds,
      isRepeatable: true,
      key,
      signal,
    });
    return submittedOf(answer, key);
  }

  /**
   * Submits many requests, in batches, and yields a receipt for each in their order. Each batch is
   * accepted as a whole or not at all. Throws a SubmitManyError that says how to go on.
   */
  submitMany<Item extends SubmitItem | EncodedItem>(
    queue: string,
    items: AsyncIterable<Item> | Iterable<Item>,
    options: SubmitManyOptions = {},
  ): AsyncGenerator<ItemReceipt, void, undefined> {
    const { batchSize = 500, batchBytesMax = 1024 ** 2, underWayMax = 4, signal } = options;
    return submitBatches<Item>({
      batches: batchesOf(items, { sizeMax: batchSize, bytesMax: batchBytesMax }),
      underWayMax,
      send: (batch, ended) =>
        this.#submitBatch(queue, batch, {
          asked: options,
          signal: signal === undefined ? ended : AbortSignal.any([signal, ended]),
        }),
    });
  }

  /** Waits for the outcome, whichever it is. Throws a SluiceClientError of kind `timeout` when the time is over. */
  async wait(id: string, { timeoutMs = Number.POSITIVE_INFINITY, signal }: WaitOptions = {}): Promise<WireRequest> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const startedAt = performance.now();
      const leftSeconds = Math.ceil((deadline - startedAt) / 1_000);
      const waitSeconds = leftSeconds > 0 ? Math.min(pollSeconds, leftSeconds) : undefined;
      const request = await this.#get<WireRequest>(requestPath(id), { waitSeconds, signal });
      if (isFinal(request.state)) return request;
      if (performance.now() >= deadline) throw waitEnded(request, timeoutMs);
      if (performance.now() - startedAt < pollPauseMs) await pause(pollPauseMs, signal);
    }
  }

  /** What the handler returned. Throws `not-finished` while there is no outcome, and `dead` with the error. */
  async result(id: string, { signal }: CallOptions = {}): Promise<Result> {
    return (
      await this.#transport.call({
        method: "GET",
        path: `${requestPath(id)}/result`,
        isRepeatable: true,
        signal,
      })
    ).content;
  }

  /** What was submitted. */
  async body(id: string, { signal }: CallOptions = {}): Promise<Result> {
    return (
      await this.#transport.call({
        method: "GET",
        path: `${requestPath(id)}/body`,
        isRepeatable: true,
        signal,
      })
    ).content;
  }

  read(id: string, options: CallOptions = {}): Promise<WireRequest> {
    return this.#get<WireRequest>(requestPath(id), options);
  }

  /** A page of requests, newest first. */
  list({ signal, ...filter }: ListOptions = {}): Promise<WireRequestList> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(filter)) if (value !== undefined) query.set(name, String(value));
    return this.#get<WireRequestList>(`/v1/requests?${query.toString()}`, { signal });
  }

  queue(name: string, options: CallOptions = {}): Promise<WireQueue> {
    return this.#get<WireQueue>(queuePath(name), options);
  }

  async queues(options: CallOptions = {}): Promise<readonly WireQueue[]> {
    return (await this.#get<WireQueueList>("/v1/queues", options)).queues;
  }

  /** Counts what is stored and holds it against what was accepted. */
  audit(options: CallOptions = {}): Promise<WireAudit> {
    return this.#get<WireAudit>("/v1/audit", options);
  }

  /** Finds requests that began before another one with their order key had ended whose turn came first. */
  auditOrder(options: CallOptions = {}): Promise<WireOrderAudit> {
    return this.#get<WireOrderAudit>("/v1/audit/order", options);
  }

  /** Tells the broker again of what is stuck. */
  async heal({ signal }: CallOptions = {}): Promise<number> {
    return (await this.#post<WireHealing>("/v1/audit/heal", { isRepeatable: true, signal })).healed;
  }

  /** Looks a receipt up in the chain of what was accepted. */
  prove(id: string, options: CallOptions = {}): Promise<WireReceiptProof> {
    return this.#get<WireReceiptProof>(`/v1/audit/receipts/${encodeURIComponent(id)}`, options);
  }

  /** Runs a dead request again: the same id, fresh attempts. */
  replay(id: string, { signal }: CallOptions = {}): Promise<WireRequest> {
    return this.#post<WireRequest>(`${requestPath(id)}/replay`, { isRepeatable: false, signal });
  }

  /** Ends a request that waits or is scheduled. */
  cancel(id: string, { signal }: CallOptions = {}): Promise<WireRequest> {
    return this.#post<WireRequest>(`${requestPath(id)}/cancel`, { isRepeatable: false, signal });
  }

  /** Runs a queue's dead requests again, all or those with one error code. */
  replayMany(queue: string, { signal, ...order }: ReplayManyOptions = {}): Promise<WireReplayAnswer> {
    const body = JSON.stringify(order);
    return this.#post<WireReplayAnswer>(`${queuePath(queue)}/replay`, {
      contentType: "application/json",
      body,
      isRepeatable: false,
      signal,
    });
  }

  /** Stops deliveries of a queue; intake goes on. */
  pause(queue: string, { signal }: CallOptions = {}): Promise<WireQueue> {
    return this.#post<WireQueue>(`${queuePath(queue)}/pause`, { isRepeatable: true, signal });
  }

  resume(queue: string, { signal }: CallOptions = {}): Promise<WireQueue> {
    return this.#post<WireQueue>(`${queuePath(queue)}/resume`, { isRepeatable: true, signal });
  }

  async #submitBatch(
    queue: string,
    { ndjson: body }: Batch<unknown>,
    options: Pick<Post, "asked" | "signal">,
  ): Promise<readonly WireBatchReceipt[]> {
    const call = { contentType: "application/x-ndjson", body, isRepeatable: true, ...options };
    return (await this.#post<WireBatchAnswer>(`${queuePath(queue)}/batches`, call)).receipts;
  }

  async #post<Answered>(path: string, { contentType, asked, ...call }: Post): Promise<Answered> {
    const headers: Record<string, string> = {
      ...(contentType !== undefined && { "content-type": contentType }),
      ...(asked !== undefined && askedHeaders(asked)),
    };
    return jsonOf(await this.#transport.call({ method: "POST", path, headers, ...call })) as Answered;
  }

  async #get<Answered>(
    path: string,
    { waitSeconds, signal }: CallOptions & { readonly waitSeconds?: number | undefined },
  ): Promise<Answered> {
    const answer = await this.#transport.call({
      method: "GET",
      path,
      waitSeconds,
      isRepeatable: true,
      signal,
    });
    return jsonOf(answer) as Answered;
  }
}

export function createClient(options: ClientOptions): SluiceClient {
  return new SluiceClient(options);
}

function askedHeaders({ callback, ...placement }: Asked): Record<string, string> {
  return { ...(callback !== undefined && { "sluice-callback": callback }), ...placementHeaders(placement) };
}

function queuePath(queue: string): string {
  return `/v1/queues/${encodeURIComponent(queue)}`;
}

function requestPath(id: string): string {
  return `/v1/requests/${encodeURIComponent(id)}`;
}

function submittedOf(answer: Answer, key: string): Submitted {
  const { status, headers, content } = answer;
  const replayed = headers.get("idempotent-replayed") === "true";
  if (status === 202) {
    const receipt = jsonOf(answer) as WireReceipt;
    return { id: receipt.id, key, state: receipt.state, replayed, receipt, result: undefined };
  }
  return { id: idOf(headers), key, state: "done", replayed, receipt: undefined, result: content };
}

function idOf(headers: Headers): string {
  const id = headers.get("sluice-request-id");
  if (id !== null) return id;
  const message = "the answer names no request: it has no Sluice-Request-Id header";
  throw new SluiceClientError(message, { kind: "refused", code: "bad-answer" });
}

/** A bare key, unless the gateway would take its own quotes for those of the header. */
function keyHeader(key: string): string {
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    const message = `a key is 1 to 255 visible ASCII characters, got ${JSON.stringify(key)}`;
    throw new SluiceClientError(message, { kind: "refused", code: "bad-key", key });
  }
  return key.startsWith('"') ? `"${key.replace(/["\\]/g, "\\$&")}"` : key;
}

function isFinal(state: WireState): boolean {
  return state === "done" || state === "dead" || state === "cancelled";
}

function waitEnded({ id, state }: WireRequest, timeoutMs: number): SluiceClientError {
  return new SluiceClientError(`request ${id} is ${state} after a wait of ${timeoutMs} ms`, {
    kind: "timeout",
    code: "wait-ended",
  });
}
