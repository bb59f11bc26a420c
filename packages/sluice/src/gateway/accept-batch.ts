// POST /v1/queues/{queue}/batches: many requests as NDJSON, all or nothing.
import type { IncomingMessage } from "node:http";
import { setImmediate } from "node:timers/promises";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { SluiceError } from "../core/errors.ts";
import type { NewRequest, Receipt } from "../core/request.ts";
import { logAccepted } from "./accept-log.ts";
import { checkIntake, receiptsOf } from "./accept.ts";
import { readBody, release } from "./body.ts";
import { configuredQueue } from "./context.ts";
import type { App, GatewayContext, IntakeQueue } from "./context.ts";
import { parseBatchLine, splitLines } from "./ndjson.ts";
import type { BatchLine } from "./ndjson.ts";
import { batchReceiptsText } from "./receipt.ts";
import { answers, BatchAnswer, QueueParams } from "./schemas.ts";

/** After this much of a batch the other connections get their turn. */
const sliceBytes = 256 * 1024;

export function addAcceptBatchRoute(app: App, context: GatewayContext): void {
  const schema = {
    summary: "Accept many requests as NDJSON, all or nothing; receipts in the order of the lines",
    tags: ["intake"],
    params: QueueParams,
    response: answers({ 202: { description: "All are durable", schema: BatchAnswer } }),
  };
  const described = {
    consumes: ["application/x-ndjson"],
    body: Type.String({ description: '{"key"?,"body"} or {"key"?,"bodyBase64","contentType"} on each line' }),
  };
  app.post("/v1/queues/:queue/batches", { schema, config: { described } }, (request, reply) =>
    acceptBatch(context, { queue: configuredQueue(context, request.params.queue), request, reply }),
  );
}

interface BatchCall {
  readonly queue: IntakeQueue;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

async function acceptBatch(context: GatewayContext, { queue, request, reply }: BatchCall): Promise<FastifyReply> {
  checkIntake(context, request.raw.headers);
  const reading = context.views.freshen();
  const receipts = await readAndStore(context, queue, request.raw);
  if (reading !== undefined) await reading;
  logAccepted(context, reply, { receipts, bytes: Number(request.headers["content-length"] ?? 0) });
  reply.header("retry-after", context.views.expectation(queue.name).retryAfter);
  return reply.code(202).type("application/json").send(batchReceiptsText(context, receipts));
}

async function readAndStore(
  context: GatewayContext,
  queue: IntakeQueue,
  raw: IncomingMessage,
): Promise<readonly Receipt[]> {
  using place = context.batchRoom.enter(); // until it is stored: it waits for its turn with all its bytes
  const bytes = await readBody(raw, { bytesMax: context.limits.batchBytesMax, code: "batch-too-large" }, place);
  const { promise: sentAway, reject } = Promise.withResolvers<never>();
  place.onGiveWay = (error) => {
    release(bytes); // at once: its turn may be seconds away
    reject(error);
  };
  const store = async (): Promise<readonly Receipt[]> => (place.begin() ? storeBatch(context, queue, bytes) : sentAway);
  // Small batches share a commit with each other; large ones fill one alone, and would fill the memory together.
  const stored = bytes.length > sliceBytes ? context.batches.inTurn(store) : store();
  const receipts = await Promise.race([stored, sentAway]);
  release(bytes);
  return receipts;
}

async function storeBatch(context: GatewayContext, queue: IntakeQueue, bytes: Buffer): Promise<readonly Receipt[]> {
  const lines = await parseLines(context, queue, bytes);
  if (lines.length === 0) throw new SluiceError("bad-request", "a batch has at least one line");
  return acceptLines(context, queue, lines);
}

async function parseLines(
  { limits }: GatewayContext,
  queue: IntakeQueue,
  bytes: Buffer,
): Promise<readonly BatchLine[]> {
  const lines: BatchLine[] = [];
  let slice = 0;
  for (const raw of splitLines(bytes)) {
    if (lines.length === limits.batchLinesMax) {
      throw new SluiceError("batch-too-large", `a batch may have up to ${limits.batchLinesMax} lines`);
    }
    const line = parseBatchLine(raw, limits.bodyBytesMax);
    withLine(line, () => queue.checkSchema?.(line.body));
    lines.push(line);
    slice += raw.bytes.length;
    if (slice < sliceBytes) continue;
    slice = 0;
    await setImmediate();
  }
  return lines;
}

async function acceptLines(
  context: GatewayContext,
  queue: IntakeQueue,
  lines: readonly BatchLine[],
): Promise<readonly Receipt[]> {
  const requests = lines.map(({ key, contentType, body }): NewRequest => ({
    queue: queue.name,
    key,
    contentType,
    headers: undefined,
    body,
  }));
  const result = await context.engine.accept(requests);
  const refused = result.kind === "accepted" ? undefined : lines[result.index];
  return refused ? withLine(refused, () => receiptsOf(context, result, queue)) : receiptsOf(context, result, queue);
}

/** Adds the line to an error that is thrown about it. */
function withLine<T>({ line }: BatchLine, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    const { code, message, cause, fields, retryAfterSeconds } = error;
    const retry = retryAfterSeconds === undefined ? {} : { retryAfterSeconds };
    throw new SluiceError(code, `line ${line}: ${message}`, { cause, ...retry, fields: { line, ...fields } });
  }
}
