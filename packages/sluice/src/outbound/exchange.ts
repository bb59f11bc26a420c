// One request to a URL and the response to it, over undici's dispatcher: no stream per response, so nothing is ever paused.
import type { Agent, Dispatcher } from "undici";
import type { IncomingHttpHeaders } from "undici/types/header.js";
import { expectWrite, type Connection, type Starting } from "./connection.ts";

export interface Call {
  readonly url: URL;
  /** POST unless given. */
  readonly method?: string | undefined;
  /** Instead of the URL's own, with the query. */
  readonly path?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
  /** Which bodies are wanted, by the status: of 2xx the result, and of all others an excerpt, unless given. */
  readonly wants?: ((status: number) => Wanted) | undefined;
}

export interface ResponseBounds {
  /** Of a body that is a result or a refusal; one that is coded may have a little more, as codings add to what they cannot make smaller. */
  readonly bytesMax: number;
  /** How long the body of a response that is no result is waited for, once its status is there. */
  readonly excerptWaitMs: number;
}

/** A result is waited for, a refusal only a moment, and of anything else the beginning does. */
export type Wanted = "result" | "refusal" | "excerpt";

export type Exchanged = Response | NoResponse;

export interface Response {
  readonly kind: "response";
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body as it came over the wire; the beginning of it where no more is wanted. */
  readonly bytes: Uint8Array;
  /** Whether there may have been more: over the bound, or in a body that is no result. */
  readonly isCut: boolean;
}

export interface NoResponse {
  readonly kind: "no-response";
  readonly error: Error;
  /** Whether a byte of the request was sent (I4). */
  readonly isSent: boolean;
  /** Whether the target seems to have closed the connection before it saw the request. */
  readonly isStale: boolean;
}

/** Of the body of an error: kept, and read so that the connection can be used again. */
const excerptBytes = 4 * 1024;
const drainBytes = 64 * 1024;
/** They end with their header, whatever it promises (RFC 9110, 15.3.5 and 15.4.5). */
export const bodilessStatuses: ReadonlySet<number> = new Set([204, 304]);

/** Rejects, with the signal's reason, only when that aborts. */
export function exchange(agent: Agent, call: Call, bounds: ResponseBounds): Promise<Exchanged> {
  const { url, method = "POST", path = `${url.pathname}${url.search}`, headers, body } = call;
  const running = new Exchange(call, bounds);
  agent.dispatch({ origin: url.origin, path, method, headers, body }, running);
  return running.ended;
}

class Exchange implements Dispatcher.DispatchHandler, Starting {
  connection: Connection | undefined;
  readonly ended: Promise<Exchanged>;
  readonly #bounds: ResponseBounds;
  readonly #wants: (status: number) => Wanted;
  readonly #signal: AbortSignal;
  readonly #resolve: (end: Exchanged) => void;
  readonly #abort: () => void;
  #controller: Dispatcher.DispatchController | undefined;
  #hasEnded = false;
  #status = 0;
  #wanted: Wanted = "excerpt";
  #headers: IncomingHttpHeaders = {};
  #chunks: Buffer[] = [];
  #bytes = 0;
  #bytesMax = drainBytes;
  #excerptTimer: NodeJS.Timeout | undefined;

  constructor({ signal, wants = resultsAlone }: Call, bounds: ResponseBounds) {
    const { promise, resolve, reject } = Promise.withResolvers<Exchanged>();
    this.ended = promise;
    this.#resolve = resolve;
    this.#bounds = bounds;
    this.#wants = wants;
    this.#signal = signal;
    this.#abort = () => {
      reject(signal.reason as Error);
      const controller = this.#controller;
      this.#finish();
      controller?.abort(signal.reason as Error);
    };
    if (signal.aborted) this.#abort();
    else signal.addEventListener("abort", this.#abort);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#hasEnded) return controller.abort(this.#signal.reason as Error);
    this.#controller = controller;
    expectWrite(this);
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return; // interim
    this.#status = status;
    this.#headers = headers;
    // What a body is promised for would be taken for the next response.
    if (bodilessStatuses.has(status))
      return headers["transfer-encoding"] === undefined ? this.#respond(false) : this.#stop(false);
    const { bytesMax, excerptWaitMs } = this.#bounds;
    this.#wanted = this.#wants(status);
    if (this.#wanted !== "excerpt")
      this.#bytesMax = headers["content-encoding"] === undefined ? bytesMax : codedMax(bytesMax);
    if (this.#wanted !== "result") this.#excerptTimer = setTimeout(() => this.#stop(true), excerptWaitMs);
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#hasEnded) return;
    if (this.#wanted !== "excerpt" || this.#bytes < excerptBytes) this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    if (this.#bytes > this.#bytesMax) this.#stop(true);
  }

  onResponseEnd(): void {
    this.#respond(false);
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#hasEnded) return;
    // The status of an error is known, whatever becomes of its body; a result is whole or none.
    if (this.#status !== 0 && this.#wanted !== "result") return this.#respond(true);
    const isSent = this.#controller !== undefined;
    this.#end({ kind: "no-response", error, isSent, isStale: this.connection?.isStale ?? false });
  }

  /** Enough was read. */
  #stop(isCut: boolean): void {
    const controller = this.#controller;
    this.#respond(isCut);
    controller?.abort(new Error("the rest of the response is not needed"));
  }

  #respond(isCut: boolean): void {
    const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#end({ kind: "response", status: this.#status, headers: this.#headers, bytes, isCut });
  }

  #end(end: Exchanged): void {
    if (this.#hasEnded) return;
    this.#finish();
    this.#resolve(end);
  }

  #finish(): void {
    this.#hasEnded = true;
    clearTimeout(this.#excerptTimer);
    this.#signal.removeEventListener("abort", this.#abort);
    // Many are old to the garbage collector by now: what they hold on to would grow old with them.
    this.#controller = undefined;
    this.connection = undefined;
    this.#headers = {};
    this.#chunks = [];
  }
}

export function isSuccess(status: number): boolean {
  return status >= 200 && status <= 299;
}

function resultsAlone(status: number): Wanted {
  return isSuccess(status) ? "result" : "excerpt";
}

function codedMax(bytesMax: number): number {
  return Math.ceil(bytesMax * 1.01) + 4 * 1024;
}
