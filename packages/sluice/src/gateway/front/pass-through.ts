// GET, HEAD and OPTIONS go to B at once and are never stored. The bytes of both bodies stay as they are; neither side is read
// faster than the other one takes it, so a response of any length needs the memory of a few chunks.
//
// It owns the connections to B. Each request runs over one of its own, so none of them waits behind another.
import type { IncomingMessage, ServerResponse } from "node:http";
import { PassThrough as BodyStream, type Readable } from "node:stream";
import type { Agent, Dispatcher } from "undici";
import type { IncomingHttpHeaders } from "undici/types/header.js";
import { SluiceError } from "../../core/errors.ts";
import { connectionNames, hopByHopNames } from "../../core/header-names.ts";
import type { AddressRule } from "../../outbound/address-rule.ts";
import { expectWrite, type Connection, type Starting } from "../../outbound/connection.ts";
import { bodilessStatuses } from "../../outbound/exchange.ts";
import { openAgents, type TlsOptions } from "../../outbound/guarded-agent.ts";
import type { Logger } from "../../telemetry/log.ts";
import { discardBody } from "../body.ts";

export interface PassThroughOptions {
  /** B. The path of a request is appended to its path. */
  readonly url: URL;
  readonly rule: AddressRule;
  readonly tls?: TlsOptions | undefined;
  /** How many requests run at once. One more is 503. */
  readonly connectionsMax: number;
  /** Until B's response headers are here. */
  readonly timeoutMs: number;
  /** How long B may send nothing of a body, and the client may read nothing of it. */
  readonly idleTimeoutMs: number;
  /** For B, in place of what the client sends under these names, which are in lower case. */
  readonly targetHeaders?: Readonly<Record<string, string>>;
  readonly log: Logger;
}

export interface Passed {
  /** The path and query as sent: it starts with a slash and has no dot segments. */
  readonly target: string;
  /** For B, in place of what the client sends under these names, which are in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** A header of the client that is not for B, in lower case. */
  readonly withheld?: string | undefined;
}

export interface PassThrough {
  /** How many run now. */
  readonly running: number;
  /**
   * Resolves when B's response is passed on, or the client has gone. Rejects with a SluiceError while nothing was sent:
   * `overloaded`, `unreachable`, `timeout`, `address-refused`. What fails later breaks the client's connection.
   */
  pass(incoming: IncomingMessage, response: ServerResponse, passed: Passed): Promise<void>;
  close(): Promise<void>;
}

const retryAfterSeconds = 1;
const heldBytesMax = 16 * 1024;
const loggedEveryMs = 10_000;
const noContent = 204;

/** Errors: `bad-config` when the URL has a query. */
export function openPassThrough(options: PassThroughOptions): PassThrough {
  const { url, rule, tls, connectionsMax, timeoutMs, idleTimeoutMs, targetHeaders = {}, log } = options;
  if (url.search !== "")
    throw new SluiceError("bad-config", "the URL of a target that paths are appended to has no query");
  const agents = openAgents({ rule, tls, connectionsMax, timeoutMs });
  const base = url.pathname.replace(/\/$/, "");
  const dropped = new Set([...hopByHopNames, ...Object.keys(targetHeaders), "host", "expect"]);
  const logFailure = limitedLog(log, url);
  let running = 0;
  return {
    get running() {
      return running;
    },
    async pass(incoming, response, { target, headers, withheld }): Promise<void> {
      if (running >= connectionsMax) {
        const message = `up to ${connectionsMax} requests are passed through at once`;
        throw new SluiceError("overloaded", message, { retryAfterSeconds });
      }
      const body = bodyOf(incoming);
      const call: Call = {
        origin: url.origin,
        path: base + target,
        method: incoming.method as Dispatcher.HttpMethod,
        headers: headersFor(incoming.rawHeaders, { dropped, withheld, replaced: { ...targetHeaders, ...headers } }),
        body,
        bodyTimeout: idleTimeoutMs,
      };
      running += 1;
      try {
        const passing = new Passing(call, { response, timeoutMs, idleTimeoutMs, retryOver: agents.fresh });
        agents.kept.dispatch(call, passing);
        await passing.ended;
      } catch (error) {
        const told = problemFor(error as Error, timeoutMs);
        if (told.consequence === "unavailable" || told.code === "address-refused") logFailure(error as Error);
        if (!response.headersSent) throw told;
      } finally {
        running -= 1;
        if (body !== null) giveUpBody(incoming, body);
      }
    },
    close: () => agents.close(),
  };
}

interface Call extends Dispatcher.DispatchOptions {
  readonly headers: string[];
  readonly body: Readable | null;
}

interface PassingOptions {
  readonly response: ServerResponse;
  readonly timeoutMs: number;
  readonly idleTimeoutMs: number;
  /** For a request that B did not see, as it closed an idle connection just then. */
  readonly retryOver: Agent;
}

/** One request over undici's dispatcher: no stream per response. */
class Passing implements Dispatcher.DispatchHandler, Starting {
  connection: Connection | undefined;
  readonly ended: Promise<void>;
  readonly #call: Call;
  readonly #options: PassingOptions;
  readonly #response: ServerResponse;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;
  readonly #headTimer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | undefined;
  #hasRetried = false;
  #isOver = false;
  #waitsForClient = false;
  #hasPaused = false;
  /** The first bytes of the body, until it is clear whether they are all of it: then they go out with the headers. */
  #held: Buffer | undefined;
  #mayHold = true;

  constructor(call: Call, options: PassingOptions) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#call = call;
    this.#options = options;
    this.#response = options.response;
    this.#headTimer = setTimeout(() => this.#fail(new HeadTimeout()), options.timeoutMs);
    options.response.on("close", () => this.#leave());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) return controller.abort(new Error("the client has gone"));
    this.#controller = controller;
    expectWrite(this);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusMessage = "",
  ): void {
    if (status < 200 || this.#isOver) return; // interim
    if (this.#isGone) return this.#leave();
    const coding = headers["transfer-encoding"];
    if (coding !== undefined && String(coding).toLowerCase() !== "chunked")
      return this.#fail(new Error(`the response has a transfer-encoding that nobody asked for: ${String(coding)}`));
    const response = this.#response;
    response.writeHead(status, reasonOf(statusMessage), headersFrom(controller.rawHeaders as Buffer[], status));
    clearTimeout(this.#headTimer);
    // Whatever length their headers name: undici would wait for that much.
    if (bodilessStatuses.has(status)) {
      this.#end();
      if (coding !== undefined) controller.abort(new Error("what follows would be taken for the next response"));
      return;
    }
    queueMicrotask(() => this.#flush());
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    if (this.#isGone) return this.#leave();
    const held = this.#takeHeld();
    if (held !== undefined) this.#write(held);
    if (held === undefined && this.#mayHold && chunk.byteLength <= heldBytesMax) this.#held = chunk;
    else this.#write(chunk);
  }

  onResponseEnd(): void {
    if (!this.#isOver) this.#end();
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#isOver) return;
    const isUnseen = this.connection?.isStale === true && !this.#hasRetried && this.#call.body === null;
    if (!isUnseen) return this.#fail(error);
    this.#hasRetried = true;
    this.#options.retryOver.dispatch(this.#call, this);
  }

  /** Behind another response of its connection a response does not hear of the connection's end. */
  get #isGone(): boolean {
    return this.#response.destroyed || this.#response.req.socket.destroyed;
  }

  /** The client gets what is here, where B takes its time for the rest. */
  #flush(): void {
    this.#mayHold = false;
    if (this.#isOver) return;
    const held = this.#takeHeld();
    if (held === undefined) this.#response.flushHeaders();
    else this.#write(held);
  }

  #takeHeld(): Buffer | undefined {
    const held = this.#held;
    this.#held = undefined;
    return held;
  }

  #write(chunk: Buffer): void {
    if (!this.#response.write(chunk)) this.#pause();
  }

  #pause(): void {
    this.#controller?.pause();
    this.#waitsForClient = true;
    if (this.#hasPaused) return;
    this.#hasPaused = true;
    this.#response.on("drain", () => this.#readOn());
    this.#response.setTimeout(this.#options.idleTimeoutMs, () => this.#response.req.socket.destroy());
  }

  #readOn(): void {
    if (!this.#waitsForClient || this.#isOver) return;
    this.#waitsForClient = false;
    this.#controller?.resume();
  }

  #end(): void {
    const held = this.#takeHeld();
    this.#finish();
    // As text, which Node sends in one piece with the headers; latin1 is each byte as it is.
    if (held === undefined) this.#response.end();
    else this.#response.end(held.toString("latin1"), "latin1");
    this.#resolve();
  }

  /** The client has gone, perhaps with all that it came for. */
  #leave(): void {
    if (this.#isOver) return;
    const controller = this.#controller;
    this.#finish();
    controller?.abort(new Error("the client has gone"));
    this.#resolve();
  }

  #fail(error: Error): void {
    if (this.#isOver) return;
    const controller = this.#controller;
    this.#finish();
    controller?.abort(error);
    if (this.#response.headersSent) breakOff(this.#response);
    this.#reject(error);
  }

  #finish(): void {
    this.#isOver = true;
    clearTimeout(this.#headTimer);
    this.#controller = undefined;
    this.connection = undefined;
    this.#held = undefined;
  }
}

class HeadTimeout extends Error {}

interface HeaderChanges {
  readonly dropped: ReadonlySet<string>;
  readonly withheld: string | undefined;
  readonly replaced: Readonly<Record<string, string>>;
}

function headersFor(rawHeaders: readonly string[], { dropped, withheld, replaced }: HeaderChanges): string[] {
  const ofConnection = connectionNames(rawHeaders);
  const headers: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    const lower = name.toLowerCase();
    if (dropped.has(lower) || lower === withheld || ofConnection?.has(lower)) continue;
    if (Object.hasOwn(replaced, lower)) continue;
    headers.push(name, rawHeaders[at + 1] as string);
  }
  for (const name in replaced) headers.push(name, replaced[name] as string);
  return headers;
}

function headersFrom(raw: readonly Buffer[], status: number): string[] {
  const rawHeaders = raw.map((bytes) => bytes.toString("latin1"));
  const ofConnection = connectionNames(rawHeaders);
  const headers: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    const lower = name.toLowerCase();
    if (hopByHopNames.has(lower) || ofConnection?.has(lower)) continue;
    if (status === noContent && lower === "content-length") continue; // RFC 9110, 8.6
    headers.push(name, rawHeaders[at + 1] as string);
  }
  headers.push("Via", "1.1 sluice");
  return headers;
}

/** B's own words after the status, unless they cannot stand there. */
function reasonOf(statusMessage: string): string | undefined {
  return /^[\t\x20-\x7e]+$/.test(statusMessage) ? statusMessage : undefined;
}

/** The body of a request that has one. undici gets no IncomingMessage: it would take the socket from it. */
function bodyOf(incoming: IncomingMessage): Readable | null {
  const { "content-length": length = "0", "transfer-encoding": coding } = incoming.headers;
  if (length === "0" && coding === undefined) return null;
  const body = new BodyStream();
  body.on("error", () => {}); // undici tells of it
  incoming.once("close", () => {
    if (!incoming.complete) body.destroy(new Error("the client broke off"));
  });
  return incoming.pipe(body);
}

/** B may have responded without it. */
function giveUpBody(incoming: IncomingMessage, body: Readable): void {
  incoming.unpipe();
  body.destroy();
  discardBody(incoming);
}

/** The client must see that the end is missing. One of HTTP/1.0 takes the end of the connection for that of the body. */
function breakOff({ req }: ServerResponse): void {
  const { socket } = req;
  if (req.httpVersion === "1.0" && !("encrypted" in socket)) socket.resetAndDestroy();
  else socket.destroy();
}

/** undici takes no such request. */
const unsendableCodes: ReadonlySet<unknown> = new Set(["UND_ERR_INVALID_ARG", "UND_ERR_NOT_SUPPORTED"]);

/** Where B is, and what is wrong with it, is for the log: the client is a stranger. */
function problemFor(error: Error, timeoutMs: number): SluiceError {
  if (error instanceof SluiceError && error.code === "address-refused")
    return new SluiceError("address-refused", "the service's address may not be called; the server's log says why");
  if (error instanceof HeadTimeout)
    return new SluiceError("timeout", `the service did not respond within ${timeoutMs} ms`);
  if ("code" in error && unsendableCodes.has(error.code))
    return new SluiceError("bad-request", "the service cannot be sent this path or these headers");
  return new SluiceError("unreachable", "the service cannot be reached, or its response cannot be read");
}

/** A line every few seconds says how many failed: a target that is down must not fill the disk. */
function limitedLog(log: Logger, { origin }: URL): (error: Error) => void {
  let loggedAt = Number.NEGATIVE_INFINITY;
  let failed = 0;
  return (error) => {
    failed += 1;
    if (performance.now() - loggedAt < loggedEveryMs) return;
    log.warn({ err: error, target: origin, failed }, "requests could not be passed through");
    loggedAt = performance.now();
    failed = 0;
  };
}
