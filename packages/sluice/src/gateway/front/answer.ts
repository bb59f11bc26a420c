// What the sender of a front request gets: B's own response, if it wants to wait for that and it comes in time; the receipt; or what
// the route says instead.
import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyReply } from "fastify";
import { SluiceError } from "../../core/errors.ts";
import { isFinal, type Receipt, type RequestStatus, type Result } from "../../core/request.ts";
import { anyBytes } from "../../core/media-type.ts";
import { bodilessStatuses } from "../../outbound/exchange.ts";
import { isAboutContent } from "../../outbound/target.ts";
import { headerSafe, isSendable } from "../content-answer.ts";
import type { GatewayContext } from "../context.ts";
import { outcomeError } from "../outcome-answer.ts";
import type { OutgoingPlace } from "../outgoing.ts";
import { sendPieces } from "../outgoing-answer.ts";
import { parsePreferWait } from "../prefer.ts";
import { sendProblem } from "../problem.ts";
import { dueAt, receiptText, retryAfterOf } from "../receipt.ts";
import { waitForOutcome } from "../wait.ts";
import type { Lane } from "./lanes.ts";
import type { FrontAnswer } from "./settings.ts";

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
  const { state } = status ?? first;
  const nextAttemptAt = status?.nextAttemptAt ?? first.nextAttemptAt;
  if (status !== undefined && isFinal(state)) {
    const sent = await sendOwnResponse(context, reply, status);
    if (sent === "sent") return undefined;
    if (sent === "none") return sendEnd(context, reply, status);
  }
  return answerReceipts(context, { ...accepted, receipts: [{ ...first, state, nextAttemptAt }] });
}

/** Where B is, and what was wrong with it or with a handler, is for those who may read requests: the sender may be a stranger. */
function sendEnd(context: GatewayContext, reply: FastifyReply, status: RequestStatus): FastifyReply {
  const { id, state, lastError } = status;
  if (state !== "dead") return sendProblem(reply, outcomeError(context, status));
  const error = new SluiceError("dead", `request ${id} is dead: ${lastError?.code ?? "no error was recorded"}`);
  return sendProblem(reply, error, 502);
}

interface Waiting {
  readonly receipt: Receipt;
  readonly seconds: number;
}

/** Undefined if the outcome cannot be read now. The request is stored: an error response would deny that. */
async function outcomeOf(
  context: GatewayContext,
  { lane, reply }: Accepted,
  { receipt, seconds }: Waiting,
): Promise<RequestStatus | undefined> {
  lane.waits += 1;
  try {
    return await waitForOutcome(context, receipt.id, { seconds, reply, isKeyless: reply.request.grant === undefined });
  } catch (error) {
    if (!isOfTheWait(error)) throw error;
    return undefined;
  } finally {
    lane.waits -= 1;
  }
}

function isOfTheWait(error: unknown): boolean {
  return error instanceof SluiceError && (error.isRetryable || error.code === "unauthorized");
}

function answerReceipts(context: GatewayContext, { lane, receipts, reply }: Accepted): void {
  if (lane.answer !== undefined) return sendText(reply, lane.answer);
  const [first] = receipts as readonly [Receipt];
  const texts = receipts.map((receipt) => receiptText(context, receipt, ""));
  const body = texts.length === 1 ? (texts[0] as string) : `{"receipts":[${texts.join(",")}]}`;
  reply.header("retry-after", retryAfterOf(context, first.queue, dueAt(receipts)));
  sendText(reply, { status: 202, contentType: "application/json", body });
}

/** Past Fastify's own way to answer, as receipts of the API are: a text goes out in one piece with its headers. */
function sendText(reply: FastifyReply, { status, contentType, body }: FrontAnswer): void {
  const { raw } = reply;
  reply.hijack();
  const own = { "content-type": contentType, "content-length": Buffer.byteLength(body) };
  raw.writeHead(status, { ...(reply.getHeaders() as OutgoingHttpHeaders), ...own });
  raw.end(body);
}

/** The target's response as it came, the one of a refusal too. */
async function sendOwnResponse(
  { engine, outgoing }: GatewayContext,
  reply: FastifyReply,
  status: RequestStatus,
): Promise<"sent" | "none" | "not-now"> {
  if (status.resultBytes === undefined) return "none";
  using place = new DisposableStack();
  try {
    const taken = place.use(await outgoing.enter(reply.raw, status.resultBytes));
    const result = await engine.readResult(status.id);
    if (result === undefined) return "none";
    sendResponse(reply, result, taken);
  } catch (error) {
    if (!isOfTheWait(error)) throw error;
    return "not-now";
  }
  place.move(); // it ends with the answer
  return "sent";
}

function sendResponse(reply: FastifyReply, { bytes, contentType, ...head }: Result, place: OutgoingPlace): void {
  const { raw } = reply;
  for (const [name, value] of Object.entries(head.headers ?? {}))
    if (isAboutContent(name) && isSendable(value)) raw.setHeader(name, value);
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) raw.setHeader(name, value);
  const { status = 200 } = head;
  // A target that named no type sent no body either, and RFC 9110, 8.6 has no length for a status without one.
  if (bytes.byteLength > 0 || contentType !== anyBytes) raw.setHeader("content-type", headerSafe(contentType));
  if (!bodilessStatuses.has(status)) raw.setHeader("content-length", bytes.byteLength);
  reply.hijack();
  raw.writeHead(status);
  sendPieces(raw, bytes, place);
}
