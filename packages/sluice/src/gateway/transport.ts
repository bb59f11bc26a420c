// The servers under the gateway's listeners, with or without TLS, and their bounds.
import { createServer, type Server, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Logger } from "../telemetry/log.ts";
import type { GatewayLimits } from "./limits.ts";
import type { Certificate } from "./tls.ts";

const toldEveryMs = 60_000;

export interface TransportOptions {
  readonly limits: GatewayLimits;
  readonly certificate: Certificate | undefined;
  /** What answers are made of. */
  readonly ServerResponse: typeof ServerResponse;
  readonly log: Logger;
}

export interface TransportBounds {
  readonly headersTimeout: number;
  readonly maxHeaderSize: number;
  readonly connectionsCheckingInterval: number;
  readonly joinDuplicateHeaders: boolean;
  readonly requireHostHeader: boolean;
}

export function boundsOf({ headersTimeoutMs, requestTimeoutMs, headersBytesMax }: GatewayLimits): TransportBounds {
  return {
    headersTimeout: headersTimeoutMs,
    maxHeaderSize: headersBytesMax,
    connectionsCheckingInterval: Math.min(1_000, headersTimeoutMs, requestTimeoutMs),
    joinDuplicateHeaders: true, // or Node drops the second Host or Content-Type, and nobody could refuse the two
    requireHostHeader: false, // framing.ts asks for it: Node would go on with what follows on the connection
  };
}

/** As Fastify makes its own from the same limits. */
export function createListener({ limits, certificate, ServerResponse, log }: TransportOptions): Server {
  const options = {
    ...boundsOf(limits),
    ServerResponse,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
  };
  const server = certificate
    ? createSecureServer({ ...options, ...certificate, handshakeTimeout: limits.headersTimeoutMs })
    : createServer(options);
  passOverExpectations(server);
  server.setTimeout(limits.silenceTimeoutMs);
  boundConnections(server, limits, log);
  return server;
}

/** Whom it drops learns nothing but that: the log tells it, once a minute. */
export function boundConnections(server: Server, { connectionsMax }: GatewayLimits, log: Logger): void {
  server.maxConnections = connectionsMax;
  let toldAt = Number.NEGATIVE_INFINITY;
  server.on("drop", () => {
    if (performance.now() - toldAt < toldEveryMs) return;
    toldAt = performance.now();
    log.warn({ connections: connectionsMax }, "connections are dropped: as many are open as may be");
  });
}

/** RFC 9110, 10.1.1 leaves it to the server: Node's own answer, 417 without a body, is none that the API describes. */
export function passOverExpectations(server: Server): void {
  server.on("checkExpectation", (request, response) => server.emit("request", request, response));
}
