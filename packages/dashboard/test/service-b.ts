// The slow service behind the queues: it answers when it is told to, and knows some customers only after a while.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export interface ServiceB extends AsyncDisposable {
  readonly url: string;
  /** Keeps what arrives from now on waiting for its answer. */
  hold(): void;
  /** Answers all that it held, and from now on at once. */
  release(): void;
  /** The customers that were unknown are known from now on. */
  mend(): void;
  /** And unknown again. */
  forget(): void;
  /** Answers 503 to everything, as one that is out does. */
  refuse(): void;
  answer(): void;
}

export async function startServiceB(): Promise<ServiceB> {
  const held: (() => void)[] = [];
  let isHolding = false;
  let isMended = false;
  let isOut = false;
  const give = (response: ServerResponse, order: { customer?: string; n?: number }): void => {
    if (isOut) return void response.writeHead(503).end();
    const isKnown = isMended || order.customer !== "C-404";
    response.writeHead(isKnown ? 200 : 422, { "content-type": "application/json" });
    response.end(
      JSON.stringify(isKnown ? { total: (order.n ?? 0) * 6, currency: "EUR" } : { error: "unknown customer C-404" }),
    );
  };
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const order = (await json(request)) as { readonly customer?: string };
    if (isHolding) held.push(() => give(response, order));
    else give(response, order);
  };
  const server = createServer((request, response) => void take(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders`,
    hold: () => void (isHolding = true),
    release: () => {
      isHolding = false;
      for (const letGo of held.splice(0)) letGo();
    },
    mend: () => void (isMended = true),
    forget: () => void (isMended = false),
    refuse: () => void (isOut = true),
    answer: () => void (isOut = false),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
