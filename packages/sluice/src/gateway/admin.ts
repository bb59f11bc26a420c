// The routes that move requests and queues: replay, cancel, pause, resume.
import type { ActivityKind } from "../core/activity.ts";
import { SluiceError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { RequestId } from "../core/request-id.ts";
import type { MoveResult, ReplayFilter } from "../engine/engine.ts";
import { assertStillAllowed } from "./access/still-allowed.ts";
import { checkCoding, discardBody, readIn } from "./body.ts";
import { configuredQueue } from "./context.ts";
import type { App, GatewayContext, OfQueue, OfRequest } from "./context.ts";
import { parseJson } from "./json.ts";
import { parameterError } from "./problem.ts";
import { knownId, readKnown, unknownRequest } from "./read.ts";
import { viewOfRequest } from "./request-view.ts";
import { errorCodePattern, replayLimit } from "./replay-order.ts";
import type { ReplayOrder } from "./schemas.ts";

const orderBound = { bytesMax: 64 * 1024, code: "body-too-large" } as const;
const errorCodeRule = new RegExp(errorCodePattern);

export function addAdminRoutes(app: App, context: GatewayContext): void {
  addMoveRoute(app, context, {
    verb: "replay",
    what: "replayed",
    status: 202,
    refusal: "not-dead",
    move: (id) => context.engine.replay(id),
  });
  addMoveRoute(app, context, {
    verb: "cancel",
    what: "cancelled",
    status: 200,
    refusal: "not-waiting",
    move: (id) => context.engine.cancel(id),
  });
  addPauseRoute(app, context, { verb: "pause", isPaused: true });
  addPauseRoute(app, context, { verb: "resume", isPaused: false });
  addBulkReplayRoute(app, context);
}

interface Move {
  readonly verb: string;
  readonly what: ActivityKind;
  readonly status: 200 | 202;
  /** What a request in another state is answered with. */
  readonly refusal: Extract<ErrorCode, "not-dead" | "not-waiting">;
  readonly move: (id: RequestId) => Promise<MoveResult>;
}

function addMoveRoute(app: App, context: GatewayContext, { verb, what, status, refusal, move }: Move): void {
  app.post<OfRequest>(`/v1/requests/:id/${verb}`, async (request, reply) => {
    discardBody(request.raw);
    const id = knownId(request.params.id);
    const result = await move(id);
    if (result.kind === "unknown") throw unknownRequest(id);
    if (result.kind === "refused") throw refused(refusal, id, result.state);
    await context.activity.note(request, { what, about: id, requests: 1 });
    const view = viewOfRequest(await readKnown(context, id), context.views);
    return reply.code(status).send(view);
  });
}

function refused(code: ErrorCode, id: RequestId, state: string): SluiceError {
  return new SluiceError(code, `request ${id} is ${state}`, { fields: { state } });
}

interface Pause {
  readonly verb: string;
  readonly isPaused: boolean;
}

function addPauseRoute(app: App, context: GatewayContext, { verb, isPaused }: Pause): void {
  app.post<OfQueue>(`/v1/queues/:queue/${verb}`, async (request) => {
    discardBody(request.raw);
    const { name } = configuredQueue(context, request.params.queue);
    await context.engine.pause(name, isPaused);
    await context.activity.note(request, { what: isPaused ? "paused" : "resumed", about: name });
    return context.views.readOne(name);
  });
}

function addBulkReplayRoute(app: App, context: GatewayContext): void {
  app.post<OfQueue>("/v1/queues/:queue/replay", async (request, reply) => {
    const { name } = configuredQueue(context, request.params.queue);
    checkCoding(request.raw.headers);
    const bytes = await readIn(context.bodyRoom, request.raw, orderBound);
    assertStillAllowed(context, request); // the body may have taken its time
    const filter = parseOrder(name, bytes);
    const { total, matched, replayed } = await context.engine.replayMany(filter);
    if (!filter.isDryRun) await context.activity.note(request, { what: "replayed", about: name, requests: replayed });
    return reply.send({ total, limit: filter.limit, matched, replayed, dryRun: filter.isDryRun });
  });
}

/** Without a body the defaults hold. */
function parseOrder(queue: string, bytes: Buffer): ReplayFilter {
  const parsed = bytes.length === 0 ? ({ kind: "json", value: {} } as const) : parseJson(bytes);
  if (parsed.kind !== "json") throw new SluiceError("bad-request", `the body must be JSON: ${parsed.message}`);
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new SluiceError("bad-request", "the body must be a JSON object");
  for (const [name, given] of Object.entries(value)) {
    if (!Object.hasOwn(orderRules, name)) throw parameterError(name, `${name} is not a parameter of this route`);
    const { fits, rule } = orderRules[name as keyof ReplayOrder];
    if (!fits(given)) throw parameterError(name, `${name} must be ${rule}`);
  }
  const { error, limit = replayLimit.default, dryRun = false } = value as ReplayOrder;
  return { queue, errorCode: error, limit, isDryRun: dryRun };
}

interface OrderRule {
  readonly rule: string;
  readonly fits: (given: unknown) => boolean;
}

/** As the API's description has them, which no server loads before somebody asks for it. */
const orderRules: Readonly<Record<keyof ReplayOrder, OrderRule>> = {
  error: {
    rule: "1 to 255 visible characters or spaces",
    fits: (given) => typeof given === "string" && errorCodeRule.test(given),
  },
  limit: {
    rule: `a whole number from 1 to ${replayLimit.max}`,
    fits: (given) => Number.isInteger(given) && Number(given) >= 1 && Number(given) <= replayLimit.max,
  },
  dryRun: { rule: "true or false", fits: (given) => typeof given === "boolean" },
};
