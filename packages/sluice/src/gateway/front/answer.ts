// What the sender of a front request gets: B's own response, if it wants to wait for that and it comes in time; the receipt; or what
// the route says instead.
import type { FastifyReply } from "fastify";
import { SluiceError } from "../../core/errors.ts";
import { isFinal, type Receipt, type RequestStatus } from "../../core/request.ts";
import { isAboutContent } from "../../outbound/target.ts";
import { headerSafe, isSendable } from "../content-answer.ts";
import type { GatewayContext } from "../context.ts";
import { outcomeError } from "../outcome-answer.ts";
import { sendPieces } from "../outgoing-answer.ts";
import { parsePreferWait } from "../prefer.ts";
import { sendProblem } from "../problem.ts";
import { receiptText } from "../receipt.ts";
import { waitForOutcome } from "../wait.ts";
import type { Lane } from "./lanes.ts";

export interface Accepted {
  readonly lane: Lane;
  /** One for each queue of the route. */
  readonly receipts: readonly Receipt[];
  readonly reply: FastifyReply;
}

export async function answer(context: GatewayContext, accepted: Accepted): Promise<unknown> {
  const { lane, receipts, reply } = accepted;
  const [first] = receipts as readonly [Receipt];
  const preferred = parsePreferWait(reply.request.headers.prefer, context.limits.waitSecondsMax);
  const seconds = preferred ?? lane.waitMs / 1_000;
  reply.header("sluice-request-id", receipts.map(({ id }) => id).join(", "));
  if (first.isReplayed) reply.header("idempotent-replayed", "true");
  if (preferred !== undefined) reply.header("preference-applied", `wait=${preferred}`);
  const isFull = lane.waits >= (lane.waitsMax ?? Number.POSITIVE_INFINITY);
  if (seconds === 0 || isFull || receipts.length > 1) return answerReceipts(context, accepted);
  const status = await outcomeOf(context, accepted, { receipt: first, seconds });
  if (status === undefined || !isFinal(status.state))
    return answerReceipts(context, { ...accepted, receipts: [{ ...first, state: status?.state ?? first.state }] });
  if (await sendOwnResponse(context, reply, status)) return undefined;
  const error = outcomeError(context, status);
  return sendProblem(reply, error, error.code === "dead" ? 502 : undefined);
}

interface Waiting {
  readonly receipt: Receipt;
  readonly seconds: number;
}

/** Undefined where it cannot be read now. The request is stored all the same: an error would deny it. */
async function outcomeOf(
  context: GatewayContext,
  { lane, reply }: Accepted,
  { receipt, seconds }: Waiting,
): Promise<RequestStatus | undefined> {
  lane.waits += 1;
  try {
    return await waitForOutcome(context, receipt.id, { seconds, reply, isKeyless: reply.request.grant === undefined });
  } catch (error) {
    const isOfTheWait = error instanceof SluiceError && (error.isRetryable || error.code === "unauthorized");
    if (!isOfTheWait) throw error;
    return undefined;
  } finally {
    lane.waits -= 1;
  }
}

async function answerReceipts(context: GatewayContext, { lane, receipts, reply }: Accepted): Promise<FastifyReply> {
  if (lane.answer !== undefined) {
    const { status, contentType, body } = lane.answer;
    return reply.code(status).header("content-type", contentType).send(Buffer.from(body));
  }
  const [first] = receipts as readonly [Receipt];
  const texts = receipts.map((receipt) => receiptText(context, receipt, ""));
  const text = texts.length === 1 ? texts[0] : `{"receipts":[${texts.join(",")}]}`;
  reply.header("retry-after", context.views.expectation(first.queue).retryAfter);
  return reply
    .code(202)
    .type("application/json")
    .send(Buffer.from(text ?? ""));
}

/** The target's response as it came, the one of a refusal too. False where none is kept. */
async function sendOwnResponse(
  { engine, outgoing }: GatewayContext,
  reply: FastifyReply,
  status: RequestStatus,
): Promise<boolean> {
  if (status.resultBytes === undefined) return false;
  using place = new DisposableStack();
  const taken = place.use(await outgoing.enter(reply.raw, status.resultBytes));
  const result = await engine.readResult(status.id);
  if (result === undefined) return false;
  const { raw } = reply;
  for (const [name, value] of Object.entries(result.headers ?? {}))
    if (isAboutContent(name) && isSendable(value)) raw.setHeader(name, value);
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
  reply.hijack();
  raw.writeHead(result.status ?? 200, {
    "content-type": headerSafe(result.contentType),
    "content-length": result.bytes.byteLength,
  });
  sendPieces(raw, result.bytes, taken);
  place.move(); // it ends with the answer
  return true;
}
