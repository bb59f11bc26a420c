// POST /v1/queues/{queue}/batches: many requests as NDJSON, all or nothing.
import type { IncomingMessage } from "node:http";
import { setImmediate } from "node:timers/promises";
import type { FastifyReply, FastifyRequest } from "fastify";
import { SluiceError } from "../core/errors.ts";
import type { Placement, PlacementTexts } from "../core/placement.ts";
import type { NewRequest, Receipt } from "../core/request.ts";
import { logAccepted } from "./accept-log.ts";
import { checkIntake, receiptsOf } from "./accept.ts";
import { takeBatch, takeQuota } from "./access/quota.ts";
import { assertStillAllowed } from "./access/still-allowed.ts";
import { readBody, release } from "./body.ts";
import { callbackHeader, callbackOf } from "./callback.ts";
import { isEventBatch } from "./cloud-event.ts";
import { contentTypeOf, traceHeaders } from "./intake-headers.ts";
import { intakeQueueNamed } from "./context.ts";
import type { App, GatewayContext, IntakeQueue, OfQueue } from "./context.ts";
import { lineError, parseBatchEvent, parseBatchLine, splitEvents, splitLines } from "./ndjson.ts";
import type { BatchLine } from "./ndjson.ts";
import { placementHeaders, placementOf, placementTextsIn, refuseHeader } from "./placement.ts";
import { batchReceiptsText, dueAt, retryAfterOf } from "./receipt.ts";

/** After this much of a batch the other connections get their turn. */
const sliceBytes = 256 * 1024;
/** A batch of more is large however short they are: each costs its share of a commit. */
const sliceLines = 1_000;

export function addAcceptBatchRoute(app: App, context: GatewayContext): void {
  app.post<OfQueue>(
    "/v1/queues/:queue/batches",
    { config: { has: { headers: [callbackHeader, ...placementHeaders] } } },
    (request, reply) =>
      acceptBatch(context, { queue: intakeQueueNamed(context, request.params.queue), request, reply }),
  );
}

interface BatchCall {
  readonly queue: IntakeQueue;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

interface Batch {
  readonly queue: IntakeQueue;
  readonly sender: string | undefined;
  readonly contentType: string;
  /** For lines that name none. */
  readonly callback: string | undefined;
  /** The same of what is asked for, each on its own. */
  readonly asked: PlacementTexts | undefined;
  readonly placement: Placement | undefined;
  /** When it arrived, by the store's clock. */
  readonly arrivedAt: number;
  readonly headers: Record<string, string> | undefined;
  /** Takes so many out of the sender's rate; what comes back gives them back. */
  readonly take: (count: number) => () => void;
  /** Throws when the sender's key has ended meanwhile. */
  readonly assertStillAllowed: () => void;
}

async function acceptBatch(context: GatewayContext, { queue, request, reply }: BatchCall): Promise<FastifyReply> {
  const { headers } = request.raw;
  checkIntake(context, headers);
  const contentType = contentTypeOf(headers);
  const callback = callbackOf(queue, headers[callbackHeader]?.toString());
  const [asked, arrivedAt] = [placementTextsIn(headers), context.engine.clock.now()];
  const placement = placementOf(asked, arrivedAt, refuseHeader);
  takeQuota(context, request, reply);
  const reading = context.views.freshen(queue.name);
  const take = (count: number): (() => void) => takeBatch(context, request, reply, count);
  const sender = request.grant?.sender;
  const allowed = { take, assertStillAllowed: () => assertStillAllowed(context, request) };
  const placed = { asked, placement, arrivedAt };
  const batch = { queue, sender, contentType, callback, ...placed, headers: traceHeaders(headers), ...allowed };
  const receipts = await readAndStore(context, batch, request.raw);
  if (reading !== undefined) await reading;
  logAccepted(context, reply, { receipts, bytes: Number(request.headers["content-length"] ?? 0) });
  reply.header("retry-after", retryAfterOf(context, queue.name, dueAt(receipts)));
  return reply.code(202).type("application/json").send(batchReceiptsText(context, receipts));
}

async function readAndStore(context: GatewayContext, batch: Batch, raw: IncomingMessage): Promise<readonly Receipt[]> {
  using place = context.batchRoom.enter(); // until it is stored: it waits for its turn with all its bytes
  const bytes = await readBody(raw, { bytesMax: context.limits.batchBytesMax, code: "batch-too-large" }, place);
  const { promise: sentAway, reject } = Promise.withResolvers<never>();
  place.onGiveWay = (error) => {
    release(bytes); // at once: its turn may be seconds away
    reject(error);
  };
  const store = async (): Promise<readonly Receipt[]> => (place.begin() ? storeBatch(context, batch, bytes) : sentAway);
  // Small batches share a commit with each other; large ones fill one alone, and would fill the memory together.
  const stored = isLarge(batch, bytes) ? context.batches.inTurn(store) : store();
  const receipts = await Promise.race([stored, sentAway]);
  release(bytes);
  return receipts;
}

function isLarge({ contentType }: Batch, bytes: Buffer): boolean {
  if (bytes.length > sliceBytes) return true;
  const separator = isEventBatch(contentType) ? "{" : "\n";
  let count = 0;
  for (let at = bytes.indexOf(separator); at >= 0 && count <= sliceLines; at = bytes.indexOf(separator, at + 1))
    count += 1;
  return count > sliceLines;
}

async function storeBatch(context: GatewayContext, batch: Batch, bytes: Buffer): Promise<readonly Receipt[]> {
  const lines = await parseLines(context, batch, bytes);
  if (lines.length === 0) throw new SluiceError("bad-request", "a batch has at least one line");
  batch.assertStillAllowed(); // its body and its turn may have taken their time
  const giveBack = batch.take(lines.length);
  try {
    return await acceptLines(context, batch, lines);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== "commit-unknown") giveBack(); // it may be stored
    throw error;
  }
}

async function parseLines({ limits }: GatewayContext, batch: Batch, bytes: Buffer): Promise<readonly PlacedLine[]> {
  const { queue, contentType, callback } = batch;
  const [split, parse] = isEventBatch(contentType) ? [splitEvents, parseBatchEvent] : [splitLines, parseBatchLine];
  const lines: PlacedLine[] = [];
  let slice = 0;
  for (const raw of split(bytes)) {
    if (lines.length === limits.batchLinesMax) {
      throw new SluiceError("batch-too-large", `a batch may have up to ${limits.batchLinesMax} lines`);
    }
    const line = parse(raw, limits.bodyBytesMax);
    withLine(line, () => queue.checkSchema?.(line.body));
    const own = line.callback === undefined ? callback : withLine(line, () => callbackOf(queue, line.callback));
    const placement = placementOfLine(line, batch);
    lines.push(own === line.callback && placement === undefined ? line : { ...line, callback: own, placement });
    slice += raw.bytes.length;
    if (slice < sliceBytes) continue;
    slice = 0;
    await setImmediate();
  }
  return lines;
}

interface PlacedLine extends BatchLine {
  readonly placement?: Placement | undefined;
}

function placementOfLine(line: BatchLine, { asked, placement, arrivedAt }: Batch): Placement | undefined {
  if (line.asked === undefined) return placement;
  const own = Object.fromEntries(Object.entries(line.asked).filter(([, text]) => text !== undefined));
  return placementOf({ ...asked, ...own }, arrivedAt, (name, message) => lineError(line.line, `${name} ${message}`));
}

async function acceptLines(
  context: GatewayContext,
  { queue, sender, headers }: Batch,
  lines: readonly PlacedLine[],
): Promise<readonly Receipt[]> {
  const requests = lines.map(({ key, contentType, body, headers: own, callback, placement }): NewRequest => ({
    queue: queue.name,
    key,
    sender,
    contentType,
    headers: own === undefined ? headers : { ...headers, ...own },
    body,
    callback,
    placement,
  }));
  const result = await context.engine.accept(requests);
  const refused = result.kind === "accepted" ? undefined : lines[result.index];
  const read = () => receiptsOf(context, result, { queue, requests });
  return refused ? withLine(refused, read) : read();
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
