// The front: a second listener, whose routes turn any HTTP request into a request of a queue. Its senders know nothing of Sluice,
// and the API is not on it. What is stored goes the way of the API from admission on: one commit, and then the answer (I1).
import { METHODS } from "node:http";
import type { FastifyReply, FastifyRequest } from "fastify";
import { SluiceError } from "../../core/errors.ts";
import type { NewRequest } from "../../core/request.ts";
import { logAccepted } from "../accept-log.ts";
import { receiptsOf } from "../accept.ts";
import { addActivityHook } from "../activity.ts";
import { keyRefusal } from "../access/key-refusal.ts";
import { takeQuota } from "../access/quota.ts";
import { assertStillAllowed } from "../access/still-allowed.ts";
import { seesEverything } from "../access/viewer.ts";
import { checkCoding, readIn } from "../body.ts";
import type { App, GatewayContext, IntakeQueue } from "../context.ts";
import { contentTypeOf } from "../intake-headers.ts";
import { timedResponses, timeUnder } from "../measure.ts";
import { boundAnswers } from "../outgoing-answer.ts";
import { createApp } from "../server.ts";
import { answer } from "./answer.ts";
import { Origins, trustedProxies, type Origin } from "./forwarded.ts";
import { handshakeOf, isSignedHandshake } from "./handshake.ts";
import { keptHeaders } from "./kept-headers.ts";
import { Lanes, notAllowed, safeMethods, withoutSecretIn, type Lane } from "./lanes.ts";
import type { FrontSettings } from "./settings.ts";
import type { RefusalReason } from "./verify/signed-call.ts";

export interface Front {
  readonly app: App;
  /** Ends what passes through. */
  close(): Promise<void>;
}

interface Call {
  readonly lane: Lane;
  readonly method: string;
  /** As it was sent, with the query. */
  readonly path: string;
  readonly origin: Origin;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** A tunnel is no request. */
const methods = METHODS.filter((method) => method !== "CONNECT");

/** Errors: `bad-config`, naming the route. */
export async function openFront(settings: FrontSettings, context: GatewayContext): Promise<Front> {
  const { limits, log, meter } = context;
  const origins = new Origins(trustedProxies(settings.trustedProxies, "front.trustedProxies"));
  const lanes = new Lanes(settings, context);
  const ServerResponse = timedResponses(meter);
  // One path for Fastify: what a path means here is for the routes of the front to say.
  const app = createApp({ limits, certificate: undefined, log, ServerResponse }, { rewriteUrl: () => "/" });
  for (const name of ["viewer", "grant", "address"]) app.decorateRequest(name);
  addActivityHook(app, context);
  boundAnswers(app, context.outgoing);
  for (const method of methods) app.addHttpMethod(method, { hasBody: false, overrideExisting: true });
  app.route({ method: methods, url: "/", handler: take });
  await app.ready();
  return { app, close: () => lanes.close() };

  async function take(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    request.viewer = seesEverything;
    const { lane, path, authority } = lanes.laneFor(request, reply);
    const { method, raw } = request;
    timeUnder(reply.raw, lane.times(method));
    const origin = origins.of(raw, authority);
    request.address = origin.clientAddress;
    const call: Call = { lane, method, path, origin, request, reply };
    if (safeMethods.includes(method)) return read(context, call);
    if (method !== lane.method && !lane.allow.includes(method))
      throw notAllowed(reply, { path, allow: lane.allow, method });
    return accept(context, call);
  }
}

/** A request for each of the route's queues, all or none. */
async function accept(context: GatewayContext, call: Call): Promise<unknown> {
  const { lane, method, path, request, reply } = call;
  const { raw } = request;
  context.admission.check();
  if (lane.intake.some(({ checkSchema }) => checkSchema !== undefined)) checkCoding(raw.headers);
  const contentType = contentTypeOf(raw.headers);
  const headers = headersOf(call);
  admit(context, call);
  for (let taken = 0; taken < lane.queues.length; taken += 1) takeQuota(context, request, reply);
  const body = await readIn(context.bodyRoom, raw, { bytesMax: lane.bodyBytesMax, code: "body-too-large" });
  if (!raw.complete) throw new SluiceError("bad-request", "the connection broke before the body was complete");
  const isUnsigned = lane.handshake !== undefined && !isSignedHandshake(lane.handshake);
  if (isUnsigned && answersHandshake(call, body)) return undefined;
  const sender = senderOf(context, call, body);
  if (!isUnsigned && answersHandshake(call, body)) return undefined;
  for (const { checkSchema } of lane.intake) checkSchema?.(body);
  const keyed = { headers: raw.headers, path, body };
  const [key, placement] = [lane.keyIn(keyed), lane.placementIn(keyed, context.engine.clock.now())];
  lane.rate?.take(context.clock.monotonic());
  const sent = { key, sender, contentType, method, path: withoutSecretIn(path, lane), headers, body, placement };
  const requests = lane.queues.map((queue): NewRequest => ({ queue, ...sent }));
  const reading = context.views.freshenAll(lane.queueSet);
  const result = await context.engine.accept(requests);
  if (reading !== undefined) await reading; // only one request in many finds the forecast old
  const refused = lane.intake[result.kind === "accepted" ? 0 : result.index] as IntakeQueue;
  const receipts = receiptsOf(context, result, { queue: refused, requests });
  logAccepted(context, reply, { receipts, bytes: body.byteLength });
  return answer(context, { lane, receipts, reply });
}

/** With what tells B where the request came from, unless the route says which headers it keeps. */
function headersOf({ lane, origin, request }: Call): Readonly<Record<string, string>> {
  const kept = keptHeaders(lane.keeps, request.raw.rawHeaders);
  return lane.headers === undefined ? { ...kept, ...origin.headers } : kept;
}

/** By the API's own keys, where the route takes those: before a byte of the body is read. */
function admit({ keys }: GatewayContext, { lane, request, reply }: Call): void {
  if (lane.verify?.kind !== "sluiceKeys" || keys === undefined) return;
  const shown = keys.find(request.headers.authorization);
  if (shown.kind === "key") request.grant = shown.grant;
  const refusal = keyRefusal(shown, "send");
  if (refusal === undefined) {
    const unseen = lane.queues.find((queue) => request.grant?.viewer.sees(queue) === false);
    if (unseen === undefined) return;
    throw new SluiceError("forbidden", "the API key is limited to other queues");
  }
  if (refusal.challenge !== undefined) reply.header("www-authenticate", refusal.challenge);
  throw refusal.error;
}

/**
 * Keys are unique per sender, and what two routes take for keys need not be: each route is a sender of its own. Errors:
 * `unauthorized`, of which the caller learns no more.
 */
function senderOf(context: GatewayContext, call: Call, body: Uint8Array): string {
  const { lane, request } = call;
  if (request.grant !== undefined) {
    assertStillAllowed(context, request); // the body may have taken its time
    return request.grant.sender;
  }
  const user = verify(context, call, body);
  return user === undefined ? lane.sender : `${lane.sender} ${user}`;
}

/** The user that the call proves, if its proof names one. */
function verify({ engine }: GatewayContext, call: Call, body: Uint8Array): string | undefined {
  const { lane, method, path, origin, request, reply } = call;
  if (lane.verifier === undefined) return undefined;
  const url = `${origin.clientOrigin}${path}`;
  const verified = lane.verifier.verify({
    method,
    path,
    url,
    headers: request.raw.headers,
    body,
    nowMs: engine.clock.now(),
  });
  if (verified.kind === "verified") return verified.sender;
  if (lane.verify?.kind === "basic") reply.header("www-authenticate", 'Basic realm="sluice", charset="UTF-8"');
  throw notVerified(lane, verified.reason);
}

/** The sender learns nothing from it: the activity log has the reason. */
function notVerified(lane: Lane, reason: RefusalReason): SluiceError {
  lane.refusals[reason].value += 1;
  const cause = new Error(`route ${lane.name}, ${reason}`);
  return new SluiceError("unauthorized", "the request is not verified", { cause });
}

/** What a provider sends once is answered, and not stored. */
function answersHandshake({ lane, method, path, reply }: Call, body: Uint8Array): boolean {
  const handshake = lane.handshake && handshakeOf(lane.handshake, { method, path, body });
  if (handshake === undefined) return false;
  if (handshake.kind === "refused") throw notVerified(lane, handshake.reason);
  reply.code(handshake.status).headers(handshake.headers).send(Buffer.from(handshake.body));
  return true;
}

const nothing = new Uint8Array();

/** GET, HEAD and OPTIONS: straight to B. */
async function read(context: GatewayContext, call: Call): Promise<unknown> {
  const { lane, method, path, origin, request, reply } = call;
  if (answersHandshake(call, nothing)) return reply;
  if (lane.passing === undefined) throw notAllowed(reply, { path, allow: lane.allow, method });
  admit(context, call);
  if (request.grant === undefined) verify(context, call, nothing);
  try {
    const target = withoutSecretIn(path, lane);
    const passed = { target, headers: origin.headers, withheld: lane.proofHeader };
    await lane.passing.pass(request.raw, reply.raw, passed);
  } catch (error) {
    if (!reply.raw.headersSent) throw error;
  }
  return reply.hijack();
}
