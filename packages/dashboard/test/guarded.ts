// A gateway that asks for a key, as one with API keys does: it stands before a real one.
import { once } from "node:events";
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Guarded extends AsyncDisposable {
  readonly url: string;
}

export async function guard(upstream: string, key: string): Promise<Guarded> {
  const server = createServer((request, response) => {
    const isOpen = !request.url?.startsWith("/v1/");
    if (isOpen || request.headers.authorization === `Bearer ${key}`) pass(upstream, request, response);
    else refuse(response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function pass(upstream: string, request: IncomingMessage, response: ServerResponse): void {
  const { method, headers, url = "/" } = request;
  const forwarded = ask(new URL(url, upstream), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  response.on("close", () => forwarded.destroy());
  forwarded.on("error", () => response.destroy());
  request.pipe(forwarded);
}

function refuse(response: ServerResponse): void {
  response.writeHead(401, { "content-type": "application/problem+json" });
  response.end(JSON.stringify({ status: 401, code: "unauthorized", title: "No key", detail: "no such key" }));
}
