// GET /metrics of a process without a gateway: what is counted in it. It owns its server.
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { errorCodes, messageOf, type SluiceError } from "../core/errors.ts";
import type { Logger } from "./log.ts";
import type { Meter } from "./meter.ts";

/** Prometheus and a few people who look. */
const connectionsMax = 32;

export interface MetricsAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface MetricsOptions {
  readonly meter: Meter;
  readonly log: Logger;
  /** Why a call may not read the page. */
  readonly refusal: (headers: IncomingHttpHeaders) => SluiceError | undefined;
}

export interface MetricsListener extends AsyncDisposable {
  readonly url: string;
}

export async function openMetricsListener(
  { host, port }: MetricsAddress,
  { meter, log, refusal }: MetricsOptions,
): Promise<MetricsListener> {
  const onError = (error: unknown): void => log.warn({ err: messageOf(error) }, "some metrics cannot be read");
  const server = createServer((request, answer) => {
    answerOne(request, answer, { meter, refusal, onError }).catch((error: unknown) => {
      onError(error);
      answer.destroy();
    });
  });
  server.maxConnections = connectionsMax;
  await once(server.listen({ host, port }), "listening");
  const bound = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound.port}/metrics`,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface Page extends Pick<MetricsOptions, "meter" | "refusal"> {
  readonly onError: (error: unknown) => void;
}

async function answerOne({ url, method, headers }: IncomingMessage, answer: ServerResponse, page: Page): Promise<void> {
  const refusal = page.refusal(headers);
  if (refusal !== undefined) {
    const { status } = errorCodes[refusal.code];
    if (status === 401) answer.setHeader("www-authenticate", 'Bearer realm="sluice"');
    return void answer.writeHead(status, { "content-type": "text/plain" }).end(`${refusal.message}\n`);
  }
  if (url?.split("?", 1)[0] !== "/metrics") return void answer.writeHead(404).end("only /metrics is here\n");
  if (method !== "GET" && method !== "HEAD") return void answer.writeHead(405, { allow: "GET, HEAD" }).end();
  // Loaded here, so that a process that nobody scrapes starts without it.
  const { prometheusPage, prometheusType } = await import("./prometheus.ts");
  const text = await prometheusPage(page.meter, page.onError);
  answer.writeHead(200, { "content-type": prometheusType }).end(text);
}
