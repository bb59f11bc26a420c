// Every error answer: RFC 9457 problem documents with a stable code.
import type { IncomingMessage } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { errorCodes, messageOf, SluiceError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { Logger } from "../telemetry/log.ts";
import { acceptedCoding, discardBody } from "./body.ts";

const defaultRetryAfterSeconds = 5;

export interface Problem {
  readonly status: number;
  readonly document: string;
  readonly retryAfterSeconds: number | undefined;
}

/** The answer to an error; `status` where a route gives the code another one. */
export function problemOf(error: SluiceError, status: number = errorCodes[error.code].status): Problem {
  const { code, message, fields } = error;
  const document = { type: `urn:sluice:problem:${code}`, title: errorCodes[code].title, status, code, detail: message };
  const retryAfterSeconds = error.retryAfterSeconds ?? (status === 503 ? defaultRetryAfterSeconds : undefined);
  return { status, document: JSON.stringify({ ...document, ...fields }), retryAfterSeconds };
}

export function sendProblem(reply: FastifyReply, error: SluiceError, status?: number): FastifyReply {
  const problem = problemOf(error, status);
  if (problem.retryAfterSeconds !== undefined) reply.header("retry-after", problem.retryAfterSeconds);
  if (error.code === "encoding-not-accepted") reply.header("accept-encoding", acceptedCoding); // RFC 9110, 15.5.16
  discardBody(reply.request.raw);
  // As bytes: to a string Fastify adds a charset, which application/problem+json does not have.
  return reply.code(problem.status).type("application/problem+json").send(Buffer.from(problem.document));
}

/** Fastify's handler for whatever a route throws. */
export function answerError(log: Logger): (error: unknown, request: FastifyRequest, reply: FastifyReply) => void {
  return (error, request, reply) => {
    const known = knownError(error);
    if (known.code === "commit-unknown") return hangUp(reply);
    if (known.code === "internal") log.error({ err: error, route: request.routeOptions.url }, "a request failed");
    sendProblem(reply, known);
  };
}

/** Any status would say that something was stored or that nothing was: a broken connection says neither (I1). */
function hangUp(reply: FastifyReply): void {
  reply.hijack();
  reply.request.raw.socket.destroy(); // not the reply's: behind others on the connection it has none yet
}

function knownError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error.code === "internal" ? internalError() : error;
  if (isFrameworkError(error)) return frameworkProblem(error);
  return internalError();
}

/** What broke is for the log, not for the client. */
function internalError(): SluiceError {
  return new SluiceError("internal", "the request could not be handled; the server's log has the cause");
}

interface FrameworkError {
  readonly statusCode: number;
  readonly message: string;
}

function isFrameworkError(error: unknown): error is FrameworkError {
  return error instanceof Error && "statusCode" in error && Number(error.statusCode) < 500;
}

export function parameterError(parameter: string, message: string): SluiceError {
  return new SluiceError("bad-parameter", message, { fields: { parameter } });
}

function frameworkProblem(error: FrameworkError): SluiceError {
  const codes: Readonly<Record<number, ErrorCode>> = {
    404: "not-found",
    413: "body-too-large",
    415: "type-not-accepted",
  };
  return new SluiceError(codes[error.statusCode] ?? "bad-request", messageOf(error));
}

/** The path of a request without its query. */
export function pathOf(request: { readonly url?: string | undefined } | IncomingMessage): string {
  return (request.url ?? "").split("?", 1)[0] as string;
}
