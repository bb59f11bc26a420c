// The routes that read requests.
import type { FastifyReply, FastifyRequest } from "fastify";
import { SluiceError } from "../core/errors.ts";
import { parseRequestId } from "../core/request-id.ts";
import type { RequestId } from "../core/request-id.ts";
import type { RequestStatus } from "../core/request.ts";
import type { ListFilter, Reads } from "../engine/engine.ts";
import type { Viewer } from "./access/viewer.ts";
import { sendStored } from "./content-answer.ts";
import { unknownQueue } from "./context.ts";
import type { App, GatewayContext, OfRequest } from "./context.ts";
import { formatCursor } from "./cursor.ts";
import { listParameters, parseListQuery } from "./list-query.ts";
import { sendResult } from "./outcome-answer.ts";
import { parsePreferWait } from "./prefer.ts";
import { viewOfRequest } from "./request-view.ts";
import { timeText } from "./time-text.ts";
import { waitForOutcome } from "./wait.ts";

export function addReadRoutes(app: App, context: GatewayContext): void {
  addRequestRoute(app, context);
  addListRoute(app, context);

  app.get<OfRequest>("/v1/requests/:id/result", async (request, reply) => {
    await sendResult(context, reply, await readKnown(context, request.params.id));
  });

  app.get<OfRequest>("/v1/requests/:id/attempts", async (request) => {
    const { id } = await readKnown(context, request.params.id);
    const failures = await context.engine.readFailures(id);
    return {
      failures: failures.map(({ attempt, failedAt, failure }) => ({ attempt, at: timeText(failedAt), error: failure })),
    };
  });

  app.get<OfRequest>("/v1/requests/:id/body", async (request, reply) => {
    const { id, bytes } = await readKnown(context, request.params.id);
    if (await sendStored(context, reply, { byteCount: bytes, read: () => context.engine.readBody(id) })) return;
    throw new SluiceError("not-found", `the body of request ${id} is not kept any more`);
  });
}

/** The id in a path; one that does not parse belongs to no request. */
export function knownId(text: string): RequestId {
  const id = parseRequestId(text);
  if (id === undefined) throw unknownRequest(text);
  return id;
}

export function unknownRequest(id: string): SluiceError {
  return new SluiceError("unknown-request", `there is no request "${id}"`);
}

export async function readKnown({ engine }: GatewayContext, text: string): Promise<RequestStatus> {
  const status = await engine.read(knownId(text));
  if (status === undefined) throw unknownRequest(text);
  return status;
}

function addRequestRoute(app: App, context: GatewayContext): void {
  app.get<OfRequest>("/v1/requests/:id", async (request, reply) => {
    const status = await readOrWait(context, request.params.id, { request, reply });
    await context.views.freshen(status.queue);
    return viewOfRequest(status, context.views);
  });
}

interface ReadCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function readOrWait(context: GatewayContext, text: string, { request, reply }: ReadCall): Promise<RequestStatus> {
  const seconds = parsePreferWait(request.headers.prefer, context.limits.waitSecondsMax);
  if (seconds === undefined) return readKnown(context, text);
  const status = await waitForOutcome(context, knownId(text), { seconds, reply });
  if (status === undefined) throw unknownRequest(text);
  reply.header("preference-applied", `wait=${seconds}`);
  return status;
}

function addListRoute(app: App, context: GatewayContext): void {
  app.get("/v1/requests", { config: { has: { query: listParameters } } }, async (request) => {
    const { viewer, query } = request;
    const filter = parseListQuery(query, context.limits.listLimitMax);
    if (filter.queue !== undefined) await checkKnownQueue(context, viewer, filter.queue);
    // One more than the page holds tells whether there is another page.
    const wanted = { ...filter, limit: filter.limit + 1 };
    const found = await context.longReads.inTurn(request, () => listSeen(context.engine, viewer, wanted));
    const page = found.slice(0, filter.limit);
    const last = page.at(-1);
    await context.views.freshenAll(new Set(page.map(({ queue }) => queue)));
    return {
      requests: page.map((status) => viewOfRequest(status, context.views)),
      nextCursor: last !== undefined && found.length > filter.limit ? formatCursor(last.id) : null,
    };
  });
}

/** A key that is limited gets the newest of its own queues. */
async function listSeen(engine: Reads, viewer: Viewer, filter: ListFilter): Promise<readonly RequestStatus[]> {
  if (viewer.queues === undefined || filter.queue !== undefined) return engine.list(filter);
  const lists = await Promise.all(viewer.queues.map((queue) => engine.list({ ...filter, queue })));
  const newestFirst = lists.flat().toSorted((a, b) => (a.id < b.id ? 1 : -1));
  return newestFirst.slice(0, filter.limit);
}

async function checkKnownQueue({ queues, views }: GatewayContext, viewer: Viewer, name: string): Promise<void> {
  if (viewer.sees(name) && (queues.has(name) || (await views.readOne(name)) !== undefined)) return;
  throw unknownQueue(name);
}
