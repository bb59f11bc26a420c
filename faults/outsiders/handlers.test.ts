// Hostile handlers: whatever one throws, returns, reports or asks of its transaction, its request ends with a stored result or
// dead with a sentence, the processes live, and the requests beside it are done.
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { WireAudit, WireRequest, WireRequestList } from "@sluice/client";
import fc from "fast-check";
import { isFull } from "./effort.ts";
import { openCluster, openEmbedded, type Field } from "./field.ts";
import type { Order } from "./handlers/order.ts";
import { oddNames, type Made } from "./handlers/values.ts";

const configFile = fileURLToPath(new URL("./handlers/handlers.config.ts", import.meta.url));
const runs = isFull ? 300 : 8;
const messageBytesMax = 8 * 1024;
const messageEnd = /^[^\0]+$/su;

describe("on one file, in its own process", () => judge(() => openEmbedded({ configFile }), ["orders"]));
describe("on one file, in two processes", () =>
  judge(() => openEmbedded({ configFile, args: ["--processes", "2"] }), ["orders"]));
if (isFull) describe("on a cluster", () => judge(openClusterWithTarget, ["orders", "transacted"]));

function judge(open: () => Promise<Field>, queues: readonly ("orders" | "transacted")[]): void {
  test("every value ends its own request and nothing else", { timeout: 1_500_000 }, async (t) => {
    await using field = await open();
    for (const queue of queues) {
      const orders = queue === "transacted" ? transactedOrders : eachOdd;
      await t.test(`${queue}: each odd value`, () => play(field, queue, orders));
      await t.test(`${queue}: any value`, () =>
        fc.assert(
          fc.asyncProperty(fc.array(anyOrder, { minLength: 5, maxLength: 30 }), (all) => play(field, queue, all)),
          { numRuns: runs, endOnFailure: true },
        ),
      );
    }
    if (queues.includes("transacted"))
      await t.test("posted: bodies that are no text", () => play(field, "posted", responses));
    const audit = await readJson<WireAudit>(field, "/v1/audit");
    ok(audit.holds, "the law holds");
  });
}

const soon = fc.double({ max: 50, noNaN: true }).map((value): Made => ({ is: "json", value }));
const contentType = fc
  .constantFrom(
    "text/html",
    "text/plain; charset=utf-8",
    "no type",
    "text/*",
    "a/b\0",
    "a/b\r\nx: y",
    `a/${"b".repeat(300)}`,
  )
  .map((value): Made => ({ is: "json", value }));
const made: fc.Arbitrary<Made> = fc.letrec<{ made: Made }>((tie) => ({
  made: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(...oddNames).map((name): Made => ({ is: "odd", name })),
    fc.jsonValue().map((value): Made => ({ is: "json", value })),
    fc.string({ unit: "binary", maxLength: 30 }).map((value): Made => ({ is: "json", value })),
    fc.record({ is: fc.constantFrom("error", "reject"), message: tie("made") }),
    fc.record({ is: fc.constant("later"), delay: fc.oneof(tie("made"), soon) }),
    fc.record({ is: fc.constant("typed"), body: tie("made"), contentType: fc.oneof(tie("made"), contentType) }),
    fc.array(tie("made"), { maxLength: 3 }).map((items): Made => ({ is: "list", items })),
    fc.record({ is: fc.constant("member"), value: tie("made") }),
  ),
})).made;
const anyOrder: fc.Arbitrary<Order> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ act: fc.constantFrom("throw", "return", "report"), value: made }) },
  { weight: 1, arbitrary: fc.constant<Order>({ act: "take-body" }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("send"), value: fc.jsonValue() }) },
);

const eachOdd: readonly Order[] = oddNames.flatMap((name): Order[] => {
  const value: Made = { is: "odd", name };
  const orders: Order[] = [
    { act: "throw", value },
    { act: "return", value },
    { act: "report", value },
    { act: "return", value: { is: "member", value } },
    { act: "throw", value: { is: "error", message: value } },
  ];
  // A time that is not for now would only keep the test waiting.
  return name === "a huge number" ? orders : [...orders, { act: "throw", value: { is: "later", delay: value } }];
});

const text = (value: string): Made => ({ is: "json", value });
const noValues: Made = { is: "json", value: [] };
const transactedOrders: readonly Order[] = [
  ...oddNames.flatMap((name): Order[] => [
    { act: "query", text: text("SELECT $1::text"), values: { is: "list", items: [{ is: "odd", name }] } },
    ...(isFull
      ? ([
          { act: "query", text: { is: "odd", name }, values: noValues },
          { act: "query", text: text("SELECT 1"), values: { is: "odd", name } },
        ] satisfies Order[])
      : []),
  ]),
  { act: "query", text: text("SELECT 1\0"), values: noValues },
  { act: "query", text: text("SELECT 'a\0b'"), values: noValues },
  { act: "query", text: text("SELECT 1 / 0"), values: noValues },
  { act: "query", text: text("SELECT 2::numeric ^ 70"), values: noValues },
  { act: "query", text: text("ROLLBACK"), values: noValues },
  { act: "query", text: text("COMMIT"), values: noValues },
];

/** What PostgreSQL cannot store as text. */
const responses: readonly Order[] = [404, 422, 500, 200].flatMap((status) =>
  [gzipSync("no such article"), Buffer.from("a\0b"), Buffer.alloc(600, "x\0"), Buffer.from([0xff, 0xfe, 0x41])].map(
    (body): Order => ({ act: "respond", status, base64: body.toString("base64") }),
  ),
);

/** As many good ones between, in one commit; each hostile one with a good one on either side. */
async function play(field: Field, queue: string, orders: readonly Order[]): Promise<void> {
  const mixed = orders.flatMap((order, n): Order[] => [{ act: "good", n }, order]);
  const ids: string[] = [];
  for (let at = 0; at < mixed.length; at += 200) ids.push(...(await send(field, queue, mixed.slice(at, at + 200))));
  await Promise.all(ids.map((id, index) => judgeEnd(field, { id, order: mixed[index] as Order })));
  const listed = await readJson<WireRequestList>(field, `/v1/requests?queue=${queue}&limit=100`);
  ok(listed.requests.length > 0);
  for (const child of field.children) ok(!child.output().includes("ended by itself"), child.output());
}

async function send(field: Field, queue: string, orders: readonly Order[]): Promise<readonly string[]> {
  const answer = await call(field, `/v1/queues/${queue}/batches`, {
    method: "POST",
    headers: { "content-type": "application/x-ndjson" },
    body: orders.map((body) => JSON.stringify({ body })).join("\n"),
  });
  equal(answer.status, 202);
  return ((await answer.json()) as { receipts: { id: string }[] }).receipts.map(({ id }) => id);
}

async function judgeEnd(field: Field, { id, order }: { readonly id: string; readonly order: Order }): Promise<void> {
  const about = `${id} ${JSON.stringify(order).slice(0, 500)}`;
  const request = await ended(field, id);
  if (isHarmless(order)) equal(request.state, "done", `${about} ${JSON.stringify(request.lastError)}`);
  if (order.act === "good") return;
  const result = await call(field, `/v1/requests/${id}/result`);
  const body = await result.text();
  if (isHarmless(order)) deepEqual(JSON.parse(body), JSON.parse(JSON.stringify(order)), about);
  if (request.state === "done") {
    equal(result.status, 200, about);
    match(result.headers.get("content-type") ?? "", /^[^\s/*]+\/[^\s/*]+/, about);
    return;
  }
  equal(request.state, "dead", about);
  equal(result.status, 409, about);
  const { code, message } = request.lastError ?? { code: "", message: "" };
  match(code, /^(handler-threw|rejected|retry-later|bad-result|result-too-large|target-status)$/, about);
  match(message, messageEnd, about);
  ok(Buffer.byteLength(message) <= messageBytesMax, about);
}

function isHarmless({ act }: Order): boolean {
  return act === "good" || act === "report" || act === "send" || act === "take-body";
}

async function ended(field: Field, id: string): Promise<WireRequest> {
  for (;;) {
    const answer = await call(field, `/v1/requests/${id}`, { headers: { prefer: "wait=20" } });
    const request = (await answer.json()) as WireRequest;
    if (request.state === "done" || request.state === "dead") return request;
  }
}

async function readJson<Answer>(field: Field, path: string): Promise<Answer> {
  const answer = await call(field, path);
  equal(answer.status, 200);
  return (await answer.json()) as Answer;
}

/** A call that ends with the processes that answer it: their end is the finding. A store that is out for a moment is none. */
async function call({ url, gone }: Field, path: string, init?: RequestInit): Promise<Response> {
  for (;;) {
    const answer = await fetch(url + path, { ...init, signal: gone }).catch((error: unknown) => error as Error);
    if (answer instanceof Response && answer.status !== 503) return answer;
    await sleep(1_000, undefined, { signal: gone }).catch(() => {}); // which the end of a process may follow
    gone.throwIfAborted();
    if (answer instanceof Error) throw answer;
  }
}

async function openClusterWithTarget(): Promise<Field> {
  await using opened = new AsyncDisposableStack();
  const target = createServer((request, response) => void respond(request, response)).listen(0, "127.0.0.1");
  opened.defer(() => target.closeAllConnections());
  opened.defer(() => void target.close());
  await once(target, "listening");
  const { port } = target.address() as AddressInfo;
  const field = opened.use(await openCluster({ configFile, env: { TARGET: `http://127.0.0.1:${port}/` } }));
  const owned = opened.move();
  return { ...field, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The target of `posted`. */
async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const order = (await json(request)) as Order;
  if (order.act === "respond") response.writeHead(order.status).end(Buffer.from(order.base64, "base64"));
  else response.end(JSON.stringify(order));
}
