// GET /v1/requests/{id}/events: each change of a request's state as a server-sent event.
import type { FastifyReply } from "fastify";
import { isFinal } from "../core/request.ts";
import type { RequestStatus, State } from "../core/request.ts";
import type { Change } from "../engine/engine.ts";
import type { App, GatewayContext, OfRequest } from "./context.ts";
import { EventStream, eventText } from "./event-stream.ts";
import { knownId, unknownRequest } from "./read.ts";
import { timeText } from "./time-text.ts";

export function addEventsRoute(app: App, context: GatewayContext): void {
  app.get<OfRequest>("/v1/requests/:id/events", { exposeHeadRoute: false }, (request, reply) =>
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

  const stream = new StateEvents(new EventStream(context, reply, watch.move()), () => context.engine.read(id));
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

type StateChange = Extract<Change, { readonly kind: "state" }>;

/** The events of one request, each state once. The last one has the id that a client coming back is known by. */
class StateEvents {
  readonly #stream: EventStream;
  readonly #read: () => Promise<RequestStatus | undefined>;
  #last: State | undefined;

  constructor(stream: EventStream, read: () => Promise<RequestStatus | undefined>) {
    this.#stream = stream;
    this.#read = read;
  }

  begin(status: RequestStatus): void {
    if (!this.#stream.begin()) return;
    this.send({ kind: "state", state: status.state, at: stateSince(status) });
    if (status.progress !== undefined) this.send({ kind: "progress", progress: status.progress });
  }

  send(change: Change): void {
    if (this.#last !== undefined && isFinal(this.#last)) return;
    if (change.kind === "progress")
      return this.#stream.write(eventText({ event: "progress", data: { progress: change.progress } }));
    if (change.state === this.#last) return;
    this.#last = change.state;
    if (isFinal(change.state)) void this.#end(change);
    else this.#write(change);
  }

  /** A notice has the time at which it was given: the time of the outcome is in the store. */
  async #end(change: StateChange): Promise<void> {
    const status = await this.#read().catch(() => undefined);
    const isStill = status?.state === change.state;
    this.#write(isStill ? { ...change, at: stateSince(status) } : change);
    this.#stream.end();
  }

  #write({ state, at }: StateChange): void {
    this.#stream.write(eventText({ event: "state", id: eventId(state, at), data: { state, at: timeText(at) } }));
  }
}
