// A fake of the protocol for tests: a real HTTP server whose answers are scripted.
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export type Scripted =
  /** Reads the whole request, then destroys the connection. */
  | "destroy"
  /** Never answers. */
  | "hang"
  | {
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      /** A string or bytes as they are; anything else as JSON. */
      readonly body?: unknown;
    };

export interface ScriptedGateway extends AsyncDisposable {
  readonly url: string;
  readonly seen: readonly Seen[];
  /** Resolves when the nth request, from 1, was read. */
  arrival(nth: number): Promise<Seen>;
}

/** `answer` is called for each request, with its number from 1. */
export async function openScriptedGateway(answer: (seen: Seen, nth: number) => Scripted): Promise<ScriptedGateway> {
  const seen: Seen[] = [];
  const arrivals = new EventTarget();
  const server = createServer((request, response) => {
    void respond(request, response);
  });

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://gateway");
    const body = await buffer(request);
    const one = {
      method: request.method ?? "",
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
      body,
    };
    seen.push(one);
    play(answer(one, seen.length), request, response);
    arrivals.dispatchEvent(new Event("arrival"));
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async arrival(nth) {
      while (seen.length < nth) await once(arrivals, "arrival");
      return seen[nth - 1] as Seen;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function play(scripted: Scripted, request: IncomingMessage, response: ServerResponse): void {
  if (scripted === "hang") return;
  if (scripted === "destroy") {
    request.socket.destroy();
    return;
  }
  const { status, headers, body = "" } = scripted;
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(isRaw ? body : JSON.stringify(body));
}

export function receiptOf(id: string, queue = "orders"): Record<string, unknown> {
  return {
    id,
    queue,
    state: "waiting",
    acceptedAt: "2026-01-01T00:00:00.000Z",
    durability: "fsync",
    expectedBy: null,
  };
}

/** The answer to a batch: a receipt for each line, with ids that count from `first`. */
export function batchAnswer({ body }: Seen, first = 1): Scripted {
  const lines = body.toString().trimEnd().split("\n");
  return {
    status: 202,
    body: {
      receipts: lines.map((_, at) => ({ ...receiptOf(`id-${first + at}`), replayed: false })),
    },
  };
}

export function requestOf(id: string, fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    id,
    queue: "orders",
    key: null,
    state: "waiting",
    attempts: 0,
    acceptedAt: "2026-01-01T00:00:00.000Z",
    startedAt: null,
    finishedAt: null,
    nextAttemptAt: null,
    lastError: null,
    contentType: "application/json",
    bytes: 2,
    expectedBy: null,
    progress: null,
    ...fields,
  };
}

export function problem(status: number, code: string, fields: Readonly<Record<string, unknown>> = {}): Scripted {
  const headers: Record<string, string> = { "content-type": "application/problem+json" };
  if (typeof fields["retryAfter"] === "string") headers["retry-after"] = fields["retryAfter"];
  const body = {
    type: `https://sluice.dev/problems/${code}`,
    title: code,
    status,
    code,
    detail: `refused with ${code}`,
    ...fields,
  };
  return { status, headers, body };
}
