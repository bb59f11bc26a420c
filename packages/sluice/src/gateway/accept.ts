// POST /v1/queues/{queue}/requests: the hot path. Nothing here runs per request that the answer can do without.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { IncomingHttpHeaders } from "node:http";
import { invariant, SluiceError } from "../core/errors.ts";
import { isFinal } from "../core/request.ts";
import type { NewRequest, Receipt, RequestStatus } from "../core/request.ts";
import type { AcceptResult } from "../engine/engine.ts";
import { logAccepted } from "./accept-log.ts";
import { takeQuota } from "./access/quota.ts";
import { assertStillAllowed } from "./access/still-allowed.ts";
import { checkCoding, readIn } from "./body.ts";
import { callbackHeader, callbackOf } from "./callback.ts";
import { bodyEventKey } from "./cloud-event.ts";
import { intakeQueueNamed } from "./context.ts";
import type { App, GatewayContext, IntakeQueue, OfQueue } from "./context.ts";
import { contentTypeOf, forwardPrefix, keyOf, travellingHeaders } from "./intake-headers.ts";
import { outcomeError, sendResult } from "./outcome-answer.ts";
import { placementHeaders, placementOf, placementTextsIn, refuseHeader } from "./placement.ts";
import { parsePreferWait } from "./prefer.ts";
import { sendProblem } from "./problem.ts";
import { sendReceipt } from "./receipt.ts";
import { waitForOutcome } from "./wait.ts";

export function addAcceptRoute(app: App, context: GatewayContext): void {
  app.post<OfQueue>(
    "/v1/queues/:queue/requests",
    { config: { has: { headers: [callbackHeader, ...placementHeaders], headersPrefix: forwardPrefix } } },
    (request, reply) => acceptOne(context, { queue: intakeQueueNamed(context, request.params.queue), request, reply }),
  );
}

interface AcceptCall {
  readonly queue: IntakeQueue;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function acceptOne(context: GatewayContext, { queue, request, reply }: AcceptCall): Promise<unknown> {
  const { raw } = request;
  const { headers } = raw;
  checkIntake(context, headers);
  const contentType = contentTypeOf(headers);
  const callback = callbackOf(queue, headers[callbackHeader]?.toString());
  const placement = placementOf(placementTextsIn(headers), context.engine.clock.now(), refuseHeader);
  takeQuota(context, request, reply);
  const key = keyOf(headers);
  const kept = travellingHeaders(headers);
  const reading = context.views.freshen(queue.name);
  const body = await readIn(context.bodyRoom, raw, {
    bytesMax: context.limits.bodyBytesMax,
    code: "body-too-large",
  });
  assertStillAllowed(context, request); // the body may have taken its time
  queue.checkSchema?.(body);
  const sent: NewRequest = {
    queue: queue.name,
    key: key ?? bodyEventKey(contentType, body),
    sender: request.grant?.sender,
    contentType,
    headers: kept,
    body,
    callback,
    placement,
  };
  const result = await context.engine.accept([sent]);
  if (reading !== undefined) await reading; // only one request in many finds the forecast old
  const receipts = receiptsOf(context, result, { queue, requests: [sent] });
  logAccepted(context, reply, { receipts, bytes: body.byteLength });
  const [receipt] = receipts;
  invariant(receipt !== undefined, "an accepted request has a receipt");
  const waitSeconds = parsePreferWait(headers.prefer, context.limits.waitSecondsMax);
  if (waitSeconds === undefined) return sendReceipt(context, reply, { receipt, appliedWait: undefined });
  return answerWithOutcome(context, reply, { receipt, waitSeconds });
}

/** What is refused before the body is read. */
export function checkIntake({ admission }: GatewayContext, headers: IncomingHttpHeaders): void {
  admission.check();
  checkCoding(headers);
}

export interface Handed {
  /** The one that is refused, if one is. */
  readonly queue: IntakeQueue;
  readonly requests: readonly NewRequest[];
}

/** The receipts, or the refusal as an error. */
export function receiptsOf(
  context: GatewayContext,
  result: AcceptResult,
  { queue, requests }: Handed,
): readonly Receipt[] {
  switch (result.kind) {
    case "accepted":
      return requests.some(({ placement }) => placement?.notBefore !== undefined)
        ? result.receipts.map((receipt, at) => withTime(receipt, requests[at] as NewRequest))
        : result.receipts;
    case "key-reused":
      throw new SluiceError("key-reused", "this key came with another request before; a new one needs a new key");
    case "backlog-full":
      throw new SluiceError("backlog-full", `the backlog of queue "${queue.name}" is at its bound`, {
        retryAfterSeconds: Number(context.views.expectation(queue.name).retryAfter),
      });
    case "group-full":
      throw new SluiceError("backlog-full", `the backlog of this group in queue "${queue.name}" is at its bound`, {
        retryAfterSeconds: Number(context.views.expectation(queue.name).retryAfter),
      });
    default:
      return result satisfies never;
  }
}

/** A repeat keeps the time that the first request asked for, which need not be this one. */
function withTime(receipt: Receipt, { placement }: NewRequest): Receipt {
  const notBefore = placement?.notBefore;
  return receipt.isReplayed || notBefore === undefined ? receipt : { ...receipt, nextAttemptAt: notBefore };
}

interface WaitingCall {
  readonly receipt: Receipt;
  readonly waitSeconds: number;
}

/** `Prefer: wait`: the result itself, as if the handler had been called directly. */
async function answerWithOutcome(
  context: GatewayContext,
  reply: FastifyReply,
  { receipt, waitSeconds }: WaitingCall,
): Promise<unknown> {
  const appliedWait = `wait=${waitSeconds}`;
  reply.header("preference-applied", appliedWait);
  if (receipt.isReplayed) reply.header("idempotent-replayed", "true");
  let { state, nextAttemptAt } = receipt;
  try {
    const status = await waitForOutcome(context, receipt.id, { seconds: waitSeconds, reply });
    if (status !== undefined && isFinal(status.state)) return await sendOutcome(context, reply, status);
    state = status?.state ?? state;
    nextAttemptAt = status?.nextAttemptAt ?? nextAttemptAt;
  } catch (error) {
    const isOfTheWait = error instanceof SluiceError && (error.isRetryable || error.code === "unauthorized");
    if (!isOfTheWait) throw error;
    // The outcome cannot be read now, or the key has ended and may not read it. The request is stored all the same: a refusal would deny it.
  }
  await context.views.freshen(receipt.queue);
  return sendReceipt(context, reply, { receipt: { ...receipt, state, nextAttemptAt }, appliedWait });
}

function sendOutcome(
  context: GatewayContext,
  reply: FastifyReply,
  status: RequestStatus,
): Promise<void> | FastifyReply {
  const error = status.state === "done" ? undefined : outcomeError(context, status);
  if (error === undefined) return sendResult(context, reply, status);
  if (error.code !== "dead") throw error;
  return sendProblem(reply.header("sluice-request-id", status.id), error, 502);
}
