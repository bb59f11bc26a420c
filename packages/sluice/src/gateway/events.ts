// GET /v1/requests/{id}/events: each change of a request's state as a server-sent event.
// A stream owns its watch, its heartbeat and its place among the held answers until it ends.
import type { ServerResponse } from "node:http";
import type { FastifyReply } from "fastify";
import { isFinal } from "../core/request.ts";
import type { RequestStatus, State } from "../core/request.ts";
import type { Change } from "../engine/engine.ts";
import type { App, GatewayContext } from "./context.ts";
import { knownId, unknownRequest } from "./read.ts";
import { IdParams, bytes } from "./schemas.ts";
import { timeText } from "./time-text.ts";

export function addEventsRoute(app: App, context: GatewayContext): void {
  const schema = {
    summary: "Server-sent events: the state now, and each change of it, until it is final",
    tags: ["requests"],
    params: IdParams,
    response: { 200: bytes("event: state, event: progress", "text/event-stream") },
  };
  app.get("/v1/requests/:id/events", { schema, exposeHeadRoute: false }, (request, reply) =>
    streamEvents(context, reply, { id: request.params.id, lastEventId: request.headers["last-event-id"] }),
  );
}

interface EventsCall {
  readonly id: string;
  /** What a client that comes back saw last. */
  readonly lastEventId: string | string[] | undefined;
}

async function streamEvents(context: GatewayContext, reply: FastifyReply, call: EventsCall): Promise<unknown> {
  const id = knownId(call.id);
  const early: Change[] = [];
  let onChange = (change: Change): void => void early.push(change);
  // Watched before it is read, so that no change between the two is missed.
  using watch = new DisposableStack();
  watch.use(context.engine.watch(id, (change) => onChange(change)));
  const status = await context.engine.read(id);
  if (status === undefined) throw unknownRequest(call.id);
  // A browser comes back after the end of a stream: 204 tells it that there is nothing more.
  if (isFinal(status.state) && call.lastEventId === eventId(status.state, stateSince(status)))
    return await reply.code(204).send();

  reply.hijack();
  const stream = new EventStream(context, reply.raw, watch.move());
  stream.begin(status);
  for (const change of changesAfter(status.state, early)) stream.send(change);
  onChange = (change) => stream.send(change);
  return undefined;
}

/** What was seen before the status was read is part of it already. */
function changesAfter(state: State, early: readonly Change[]): readonly Change[] {
  const read = early.findLastIndex((change) => change.kind === "state" && change.state === state);
  return early.slice(read + 1);
}

function eventId(state: State, at: number): string {
  return `${at}-${state}`;
}

/** Since when the request is in its state, as far as it is known. */
function stateSince({ acceptedAt, startedAt, finishedAt }: RequestStatus): number {
  return finishedAt ?? startedAt ?? acceptedAt;
}

class EventStream {
  readonly #response: ServerResponse;
  readonly #bytesMax: number;
  readonly #resources: DisposableStack;
  #last: State | undefined;

  constructor({ limits, held }: GatewayContext, response: ServerResponse, resources: DisposableStack) {
    this.#response = response;
    this.#bytesMax = limits.streamBytesMax;
    this.#resources = resources;
    const heartbeat = setInterval(() => this.#write(": still here\n\n"), limits.heartbeatMs);
    resources.defer(() => clearInterval(heartbeat));
    resources.use(held.hold(() => this.#end()));
    response.once("close", () => this.#resources.dispose());
  }

  begin(status: RequestStatus): void {
    if (this.#response.destroyed) return this.#resources.dispose(); // its close event is over
    this.#response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    this.send({ kind: "state", state: status.state, at: stateSince(status) });
    if (status.progress !== undefined) this.send({ kind: "progress", progress: status.progress });
  }

  send(change: Change): void {
    if (change.kind === "progress")
      return this.#write(`event: progress\ndata: ${JSON.stringify({ progress: change.progress })}\n\n`);
    if (change.state === this.#last) return;
    this.#last = change.state;
    const data = JSON.stringify({ state: change.state, at: timeText(change.at) });
    this.#write(`event: state\nid: ${eventId(change.state, change.at)}\ndata: ${data}\n\n`);
    if (isFinal(change.state)) this.#end();
  }

  /** A client that does not read is cut off: it comes back and gets the state as it is then. */
  #write(text: string): void {
    if (this.#response.writableEnded) return;
    this.#response.write(text);
    if (this.#response.writableLength > this.#bytesMax) this.#response.destroy();
  }

  #end(): void {
    this.#resources.dispose();
    this.#response.end();
  }
}
