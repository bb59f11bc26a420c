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

interface Asked {
  readonly order: { readonly customer?: string; readonly n?: number };
  readonly attempt: number;
}

/** It never knew customer C-404; customer C-500 costs it two attempts, and then it does not know him either. */
export async function startServiceB(): Promise<ServiceB> {
  const held: (() => void)[] = [];
  let isHolding = false;
  let isMended = false;
  let isOut = false;
  const give = (response: ServerResponse, { order, attempt }: Asked): void => {
    if (isOut) return void response.writeHead(503).end();
    if (order.customer === "C-500" && attempt <= 2)
      return void response.writeHead(500).end("the customers are being counted");
    const isKnown = isMended || !["C-404", "C-500"].includes(order.customer ?? "");
    response.writeHead(isKnown ? 200 : 422, { "content-type": "application/json" });
    response.end(
      JSON.stringify(
        isKnown ? { total: (order.n ?? 0) * 6, currency: "EUR" } : { error: `unknown customer ${order.customer}` },
      ),
    );
  };
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const order = (await json(request)) as Asked["order"];
    const asked = { order, attempt: Number(request.headers["sluice-attempt"]) };
    if (isHolding) held.push(() => give(response, asked));
    else give(response, asked);
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
