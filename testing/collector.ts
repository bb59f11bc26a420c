// A collector of telemetry: takes OTLP over HTTP as JSON and keeps what came.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export interface Export {
  /** As `/v1/metrics`. */
  readonly path: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- what came over the wire has no type
  readonly body: any;
}

export interface Collector extends AsyncDisposable {
  readonly url: string;
  readonly exports: readonly Export[];
  /** The first that fits, also one that came before the call. */
  first(fits: (one: Export) => boolean): Promise<Export>;
}

export async function startCollector(): Promise<Collector> {
  const exports: Export[] = [];
  const watchers = new Set<(one: Export) => void>();
  const take = async (request: IncomingMessage): Promise<void> => {
    const one = { path: request.url ?? "", body: await json(request) };
    exports.push(one);
    for (const watcher of watchers) watcher(one);
  };
  const server = createServer((request, response) => {
    void take(request).then(() => response.writeHead(200, { "content-type": "application/json" }).end("{}"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exports,
    async first(fits) {
      const { promise, resolve } = Promise.withResolvers<Export>();
      const watcher = (one: Export): void => {
        if (fits(one)) resolve(one);
      };
      exports.forEach(watcher);
      watchers.add(watcher);
      try {
        return await promise;
      } finally {
        watchers.delete(watcher);
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
