// The HTTP server: its bounds, and what it answers where no route does.
import type { Socket } from "node:net";
import { STATUS_CODES } from "node:http";
import fastify from "fastify";
import type { FastifyReply, FastifyRequest } from "fastify";
import { SluiceError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { App } from "./context.ts";
import { addFramingCheck, canBeAnswered, endAfter } from "./framing.ts";
import {
  boundConnections,
  boundsOf,
  passOverExpectations,
  type TransportBounds,
  type TransportOptions,
} from "./transport.ts";
import { answerError, pathOf, problemOf, sendProblem } from "./problem.ts";

/** A group's name or an order key in a path: each of 255 characters may be three there. */
const pathNameCharsMax = 765;

export interface AppOptions {
  /** What Fastify routes by instead of the URL of a request. */
  readonly rewriteUrl?: () => string;
}

export function createApp({ limits, certificate, ServerResponse, log }: TransportOptions, own: AppOptions = {}): App {
  const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, silenceTimeoutMs } = limits;
  const bounds = { ...boundsOf(limits), ServerResponse };
  const transport = certificate
    ? { https: { ...bounds, ...certificate, handshakeTimeout: headersTimeoutMs } }
    : { http: bounds };
  const app = fastify({
    ...(transport as { http: TransportBounds }), // a server with TLS is one more kind of the same
    ...own,
    logger: false,
    routerOptions: { maxParamLength: pathNameCharsMax },
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionTimeout: silenceTimeoutMs,
    return503OnClosing: false, // admission answers while the server closes
    clientErrorHandler: answerSocketError,
    // Of a path that is none, past all hooks.
    frameworkErrors: (_error, request, reply) => {
      endAfter(reply.raw);
      void sendProblem(reply, notFound(request));
    },
  });
  boundConnections(app.server, limits, log);
  passOverExpectations(app.server);
  // POST routes read their bodies themselves: intake takes any bytes under any content type, malformed ones too.
  app.addHttpMethod("POST", { hasBody: false, overrideExisting: true });
  app.addHttpMethod("PUT", { hasBody: false, overrideExisting: true });
  addFramingCheck(app, ({ socket }, fault) => refuseSocket(socket, new SluiceError("bad-request", fault)));
  app.setErrorHandler(answerError(log));
  app.setNotFoundHandler((request, reply) => answerNoRoute(app, request, reply));
  return app;
}

/** 405 where the path exists for other methods. */
function answerNoRoute(app: App, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const url = pathOf(request);
  const allowed = (["GET", "HEAD", "POST", "PUT"] as const).filter((method) => app.findRoute({ method, url }) !== null);
  if (allowed.length === 0) return sendProblem(reply, notFound(request));
  reply.header("allow", allowed.join(", "));
  return sendProblem(
    reply,
    new SluiceError("method-not-allowed", `${url} takes ${allowed.join(", ")}, not ${request.method}`),
  );
}

function notFound(request: FastifyRequest): SluiceError {
  return new SluiceError("not-found", `there is no ${pathOf(request)}`);
}

const socketErrors: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: ["headers-too-large", "the headers are over the limit"],
  ERR_HTTP_REQUEST_TIMEOUT: ["too-slow", "the request did not arrive in time"],
};

/** Answers what never became a request: malformed HTTP, headers over the limit, senders that are too slow. */
export function answerSocketError(error: Error & { readonly code?: string }, socket: Socket): void {
  const [code, message] = socketErrors[error.code ?? ""] ?? ["bad-request", "this is not valid HTTP/1.1"];
  if (error.code === "ECONNRESET") socket.destroy();
  else refuseSocket(socket, new SluiceError(code, message));
}

/** Answers past Fastify, and ends the connection: what follows on it cannot be told apart. */
function refuseSocket(socket: Socket, error: SluiceError): void {
  if (socket.writable && canBeAnswered(socket)) {
    const { status, document } = problemOf(error);
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
      "content-type: application/problem+json",
      `content-length: ${Buffer.byteLength(document)}`,
      "connection: close",
    ];
    socket.write(`${head.join("\r\n")}\r\n\r\n${document}`);
  }
  socket.destroy();
}
