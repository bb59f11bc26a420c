import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import {
  batchAnswer,
  openScriptedGateway,
  problem,
  receiptOf,
  requestOf,
  type ScriptedGateway,
} from "../test/scripted-gateway.ts";
import { SluiceClient, SluiceClientError, SubmitManyError, type ItemReceipt } from "./index.ts";

const quick = { backoffMs: 1, backoffMaxMs: 2 };
const accepted = { status: 202, body: receiptOf("id-1") };

function clientOf(gateway: ScriptedGateway, retry = {}): SluiceClient {
  return new SluiceClient({ url: gateway.url, retry: { ...quick, ...retry } });
}

async function failureOf(work: Promise<unknown>): Promise<SluiceClientError> {
  const error = await work.then(
    () => assert.fail("expected a failure"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SluiceClientError, String(error));
  return error;
}

test("a connection that dies after the body was read is tried again with the same generated key and body", async () => {
  await using gateway = await openScriptedGateway((_, nth) => (nth < 3 ? "destroy" : accepted));
  const submitted = await clientOf(gateway).submit("orders", { sku: 7 });
  assert.equal(submitted.id, "id-1");
  assert.equal(gateway.seen.length, 3);
  assert.equal(new Set(gateway.seen.map(({ headers }) => headers["idempotency-key"])).size, 1);
  assert.equal(gateway.seen[0]?.headers["idempotency-key"], submitted.key);
  for (const { body, path, headers } of gateway.seen) {
    assert.equal(body.toString(), '{"sku":7}');
    assert.equal(path, "/v1/queues/orders/requests");
    assert.equal(headers["content-type"], "application/json");
  }
});

test("each submit generates a key of its own", async () => {
  await using gateway = await openScriptedGateway(() => accepted);
  const client = clientOf(gateway);
  const first = await client.submit("orders", 1);
  const second = await client.submit("orders", 1);
  assert.notEqual(first.key, second.key);
});

test("a 503 is tried again, not before its Retry-After is over", async () => {
  await using gateway = await openScriptedGateway((_, nth) =>
    nth === 1 ? problem(503, "draining", { retryAfter: "1" }) : accepted,
  );
  const startedAt = performance.now();
  await clientOf(gateway).submit("orders", 1);
  assert.ok(performance.now() - startedAt >= 990);
  assert.equal(gateway.seen.length, 2);
});

test("a Retry-After beyond the client's time is not waited for: the caller gets it", async () => {
  await using gateway = await openScriptedGateway(() => problem(503, "backlog-full", { retryAfter: "3600" }));
  const error = await failureOf(clientOf(gateway).submit("orders", 1));
  assert.deepEqual(
    [error.kind, error.code, error.status, error.retryAfterSeconds],
    ["unavailable", "backlog-full", 503, 3600],
  );
  assert.equal(gateway.seen.length, 1);
});

for (const status of [400, 401, 404, 413, 415, 422]) {
  test(`a ${status} is never tried again`, async () => {
    await using gateway = await openScriptedGateway(() => problem(status, "some-code"));
    const error = await failureOf(clientOf(gateway).submit("orders", 1, { key: "k" }));
    assert.deepEqual([error.kind, error.code, error.status, error.key], ["refused", "some-code", status, "k"]);
    assert.equal(error.problem?.detail, "refused with some-code");
    assert.equal(gateway.seen.length, 1);
  });
}

for (const status of [408, 429, 500, 502, 503, 504]) {
  test(`a ${status} is tried again`, async () => {
    await using gateway = await openScriptedGateway((_, nth) => (nth === 1 ? { status } : accepted));
    await clientOf(gateway).submit("orders", 1);
    assert.equal(gateway.seen.length, 2);
  });
}

test("when no answer ever comes the error says so, with the key", async () => {
  await using gateway = await openScriptedGateway(() => "destroy");
  const error = await failureOf(clientOf(gateway, { attemptsMax: 3 }).submit("orders", 1));
  assert.deepEqual([error.kind, error.code, error.status], ["unknown", "unreachable", undefined]);
  assert.equal(error.key, gateway.seen[0]?.headers["idempotency-key"]);
  assert.match(error.message, new RegExp(`try again with key ${error.key}`));
  assert.equal(gateway.seen.length, 3);
});

test("a lost answer followed by 503s stays unknown", async () => {
  await using gateway = await openScriptedGateway((_, nth) => (nth === 1 ? "destroy" : problem(503, "draining")));
  const error = await failureOf(clientOf(gateway, { attemptsMax: 3 }).submit("orders", 1));
  assert.deepEqual([error.kind, error.code], ["unknown", "draining"]);
});

test("a server that is not there is named with the reason", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  const client = new SluiceClient({
    url: `http://127.0.0.1:${port}`,
    retry: { attemptsMax: 2, ...quick },
  });
  const error = await failureOf(client.queues());
  assert.match(error.message, new RegExp(`no answer from http://127.0.0.1:${port} after 2 attempts: .*ECONNREFUSED`));
});

test("an attempt that takes too long is given up and tried again", async () => {
  await using gateway = await openScriptedGateway((_, nth) => (nth === 1 ? "hang" : accepted));
  await clientOf(gateway, { attemptTimeoutMs: 50 }).submit("orders", 1);
  assert.equal(gateway.seen.length, 2);
});

test("an abort ends a call under way with the signal's reason", async () => {
  await using gateway = await openScriptedGateway(() => "hang");
  const controller = new AbortController();
  const submitting = clientOf(gateway).submit("orders", 1, { signal: controller.signal });
  await gateway.arrival(1);
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(submitting, reason);
  assert.equal(gateway.seen.length, 1);
});

test("an abort ends the pause between two attempts", async () => {
  await using gateway = await openScriptedGateway(() => problem(503, "draining", { retryAfter: "60" }));
  const controller = new AbortController();
  const reading = clientOf(gateway).queues({ signal: controller.signal });
  await gateway.arrival(1);
  controller.abort(new Error("enough"));
  await assert.rejects(reading, { message: "enough" });
});

test("a time longer than a timer takes is not over at once", async () => {
  await using gateway = await openScriptedGateway((_, nth) =>
    nth === 1 ? accepted : problem(503, "draining", { retryAfter: String(40 * 86_400) }),
  );
  const days = 40 * 86_400_000;
  const client = clientOf(gateway, { attemptTimeoutMs: days, elapsedMaxMs: 2 * days });
  assert.equal((await client.submit("orders", 1)).id, "id-1");
  const controller = new AbortController();
  const reading = client.queues({ signal: controller.signal });
  await gateway.arrival(2);
  await new Promise((resolve) => setTimeout(resolve, 50)); // in which a timer that fires at once would send again
  controller.abort(new Error("enough"));
  await assert.rejects(reading, { message: "enough" });
  assert.equal(gateway.seen.length, 2);
});

test("text, bytes and a Blob are sent as they are, with their types", async () => {
  await using gateway = await openScriptedGateway(() => accepted);
  const client = clientOf(gateway);
  await client.submit("orders", "né");
  await client.submit("orders", new Uint8Array([0, 255]));
  await client.submit("orders", new Blob(["<a/>"], { type: "text/xml" }));
  await client.submit("orders", "{}", {
    contentType: "application/cloudevents+json",
    headers: { "ce-id": "1" },
  });
  assert.deepEqual(
    gateway.seen.map(({ headers, body }) => [headers["content-type"], body.toString("hex")]),
    [
      ["text/plain; charset=utf-8", "6ec3a9"],
      ["application/octet-stream", "00ff"],
      ["text/xml", "3c612f3e"],
      ["application/cloudevents+json", "7b7d"],
    ],
  );
  assert.equal(gateway.seen[3]?.headers["ce-id"], "1");
});

test("a body that JSON cannot carry is refused before anything is sent", async () => {
  await using gateway = await openScriptedGateway(() => accepted);
  await assert.rejects(clientOf(gateway).submit("orders", undefined), TypeError);
  assert.equal(gateway.seen.length, 0);
});

test("a key that cannot stand in a header is refused before anything is sent", async () => {
  await using gateway = await openScriptedGateway(() => accepted);
  for (const key of ["", "two words", "schlüssel", "k".repeat(256)]) {
    assert.equal((await failureOf(clientOf(gateway).submit("orders", 1, { key }))).code, "bad-key");
  }
  await assert.rejects(clientOf(gateway).submit("orders", 1, { headers: { "ce-id": "€" } }), TypeError);
  assert.equal(gateway.seen.length, 0);
});

test("a key with quotes of its own travels quoted", async () => {
  await using gateway = await openScriptedGateway(() => accepted);
  await clientOf(gateway).submit("orders", 1, { key: '"a\\b"' });
  assert.equal(gateway.seen[0]?.headers["idempotency-key"], String.raw`"\"a\\b\""`);
});

test("submit with a wait yields the result itself when it comes in time", async () => {
  await using gateway = await openScriptedGateway(() => ({
    status: 200,
    headers: {
      "sluice-request-id": "id-9",
      "idempotent-replayed": "true",
      "content-type": "application/json",
    },
    body: { total: 12 },
  }));
  const submitted = await clientOf(gateway).submit("orders", 1, { waitSeconds: 5 });
  assert.equal(gateway.seen[0]?.headers["prefer"], "wait=5");
  assert.deepEqual([submitted.id, submitted.state, submitted.replayed], ["id-9", "done", true]);
  assert.deepEqual(submitted.result?.json(), { total: 12 });
});

test("a request that dies while it is waited for is an error of kind dead, and not sent again", async () => {
  await using gateway = await openScriptedGateway(() =>
    problem(502, "dead", {
      detail: "request id-9 is dead: no such sku",
      error: { code: "rejected", message: "no such sku" },
    }),
  );
  const error = await failureOf(clientOf(gateway).submit("orders", 1, { waitSeconds: 5 }));
  assert.deepEqual([error.kind, error.code, error.problem?.error?.code], ["dead", "dead", "rejected"]);
  assert.match(error.message, /no such sku \(rejected\)/);
  assert.equal(gateway.seen.length, 1);
});

test("wait polls until there is an outcome", async () => {
  await using gateway = await openScriptedGateway((_, nth) => ({
    status: 200,
    body: requestOf("id-1", { state: nth === 1 ? "running" : "dead" }),
  }));
  const request = await clientOf(gateway).wait("id-1", { timeoutMs: 60_000 });
  assert.equal(request.state, "dead");
  assert.deepEqual(
    gateway.seen.map(({ path, headers }) => [path, headers["prefer"]]),
    [
      ["/v1/requests/id-1", "wait=25"],
      ["/v1/requests/id-1", "wait=25"],
    ],
  );
});

test("a wait that ends before the outcome is an error of kind timeout", async () => {
  await using gateway = await openScriptedGateway(() => ({ status: 200, body: requestOf("id-1") }));
  const error = await failureOf(clientOf(gateway).wait("id-1", { timeoutMs: 1 }));
  assert.deepEqual([error.kind, error.code], ["timeout", "wait-ended"]);
});

test("a result keeps its bytes and type", async () => {
  await using gateway = await openScriptedGateway(() => ({
    status: 200,
    headers: { "content-type": "image/png" },
    body: new Uint8Array([1, 2, 255]),
  }));
  const result = await clientOf(gateway).result("id-1");
  assert.equal(result.contentType, "image/png");
  assert.deepEqual([...result.bytes], [1, 2, 255]);
});

test("a replay whose answer was lost is not made again: the request may have died anew", async () => {
  await using gateway = await openScriptedGateway(() => "destroy");
  const error = await failureOf(clientOf(gateway).replay("id-1"));
  assert.equal(error.kind, "unknown");
  assert.equal(gateway.seen.length, 1);
});

test("a replay that was refused for now is made again", async () => {
  await using gateway = await openScriptedGateway((_, nth) =>
    nth === 1 ? problem(503, "draining") : { status: 202, body: {} },
  );
  await clientOf(gateway).replay("id-1");
  assert.equal(gateway.seen.length, 2);
});

test("the API key travels as a bearer token, and list parameters as a query", async () => {
  await using gateway = await openScriptedGateway(() => ({
    status: 200,
    body: { requests: [], nextCursor: null },
  }));
  const client = new SluiceClient({ url: `${gateway.url}/`, apiKey: "secret" });
  await client.list({ queue: "orders", state: "dead", limit: 5 });
  assert.equal(gateway.seen[0]?.headers.authorization, "Bearer secret");
  assert.equal(gateway.seen[0]?.path, "/v1/requests");
  assert.equal(gateway.seen[0]?.query.toString(), "queue=orders&state=dead&limit=5");
});

test("an answer that is no JSON is named as such", async () => {
  await using gateway = await openScriptedGateway(() => ({
    status: 200,
    headers: { "content-type": "text/html" },
    body: "<p>hi",
  }));
  const error = await failureOf(clientOf(gateway).queues());
  assert.equal(error.code, "bad-answer");
  assert.match(error.message, /is it a Sluice gateway\?/);
});

async function collect(receipts: AsyncIterable<ItemReceipt>): Promise<ItemReceipt[]> {
  const all: ItemReceipt[] = [];
  for await (const receipt of receipts) all.push(receipt);
  return all;
}

test("times are dates or texts: of a request in its headers, of an item in its line, of all in the batch's headers", async () => {
  await using gateway = await openScriptedGateway((seen) =>
    seen.path.endsWith("s/requests") ? accepted : batchAnswer(seen),
  );
  const client = clientOf(gateway);
  const [notBefore, at] = [new Date("2026-12-24T19:00:00+01:00"), "2026-12-24T18:00:00.000Z"];
  await client.submit("orders", 1, { notBefore, expires: "7d" });
  await client.submit("orders", 1);
  const items = [
    { key: "a", body: 1, notBefore },
    { key: "b", body: "x", expires: "2h" },
  ];
  await collect(client.submitMany("orders", items, { notBefore: "1h", expires: notBefore }));
  assert.deepEqual(
    gateway.seen.map(({ headers }) => [headers["sluice-not-before"], headers["sluice-expires"]]),
    [
      [at, "7d"],
      [undefined, undefined],
      ["1h", at],
    ],
  );
  assert.deepEqual(
    gateway.seen[2]?.body
      .toString()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
    [
      { key: "a", notBefore: at, body: 1 },
      { key: "b", expires: "2h", bodyBase64: "eA==", contentType: "text/plain; charset=utf-8" },
    ],
  );
  await assert.rejects(client.submit("orders", 1, { expires: new Date("never") }), RangeError);
  assert.equal(gateway.seen.length, 3);
});

test("submitMany cuts batches by count and yields receipts in the order of the items", async () => {
  await using gateway = await openScriptedGateway((seen) =>
    batchAnswer(seen, Number(JSON.parse(firstLine(seen.body)).body)),
  );
  const items = Array.from({ length: 25 }, (_, at) => ({ body: at + 1 }));
  const receipts = await collect(clientOf(gateway).submitMany("orders", items, { batchSize: 10, underWayMax: 2 }));
  assert.deepEqual(
    receipts.map(({ id }) => id),
    items.map(({ body }) => `id-${body}`),
  );
  assert.equal(new Set(receipts.map(({ key }) => key)).size, 25);
  assert.equal(gateway.seen.length, 3);
  assert.equal(gateway.seen[0]?.headers["content-type"], "application/x-ndjson");
});

test("submitMany cuts batches by bytes; an item over the bound goes alone", async () => {
  await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
  const items = [10, 10, 900, 10].map((length, at) => ({
    key: `k${at}`,
    body: "é".repeat(length),
  }));
  await collect(clientOf(gateway).submitMany("orders", items, { batchBytesMax: 1_000, underWayMax: 1 }));
  assert.deepEqual(
    gateway.seen.map(({ body }) => body.toString().split("\n").length),
    [2, 1, 1],
  );
});

test("a batch holds JSON as JSON, bytes in base64, and encoded lines untouched", async () => {
  await using gateway = await openScriptedGateway((seen) => batchAnswer(seen));
  const line = '{"key":"c", "body": 12345678901234567890}';
  const items = [
    { key: "a", body: { n: 1 } },
    { key: "b", body: new Uint8Array([255]) },
    { key: "c", line },
  ];
  await collect(clientOf(gateway).submitMany("orders", items));
  assert.deepEqual(gateway.seen[0]?.body.toString().split("\n"), [
    '{"key":"a","body":{"n":1}}',
    '{"key":"b","bodyBase64":"/w==","contentType":"application/octet-stream"}',
    line,
  ]);
});

test("a batch whose answer was lost is sent again, byte for byte", async () => {
  await using gateway = await openScriptedGateway((seen, nth) => (nth === 1 ? "destroy" : batchAnswer(seen)));
  const receipts = await collect(clientOf(gateway).submitMany("orders", [{ body: 1 }, { body: 2 }]));
  assert.equal(receipts.length, 2);
  assert.deepEqual(gateway.seen[0]?.body, gateway.seen[1]?.body);
});

test("a failed batch says what was accepted and which items were under way, with their keys", async () => {
  await using gateway = await openScriptedGateway((seen) =>
    firstLine(seen.body).includes('"body":3') ? problem(422, "key-reused", { line: 1 }) : batchAnswer(seen),
  );
  const items = [1, 2, 3, 4, 5].map((body) => ({ key: `k${body}`, body }));
  const error = await failureOf(
    collect(clientOf(gateway).submitMany("orders", items, { batchSize: 2, underWayMax: 1 })),
  );
  assert.ok(error instanceof SubmitManyError);
  assert.deepEqual([error.kind, error.code, error.acceptedCount], ["refused", "key-reused", 2]);
  assert.deepEqual(
    error.unsettled.map(({ key }) => key),
    ["k3", "k4"],
  );
});

test("the items of submitMany are read no further ahead than the batches under way", async () => {
  await using gateway = await openScriptedGateway(() => "hang");
  let read = 0;
  function* endless() {
    for (;;) {
      read += 1;
      yield { body: read };
    }
  }
  const controller = new AbortController();
  const receipts = clientOf(gateway).submitMany("orders", endless(), {
    batchSize: 5,
    underWayMax: 2,
    signal: controller.signal,
  });
  const first = receipts.next();
  await gateway.arrival(2);
  controller.abort(new Error("enough"));
  await assert.rejects(first, { message: "enough" });
  assert.ok(read <= 11, `read ${read} items`);
});

test("a consumer that stops early ends the batches under way", async () => {
  await using gateway = await openScriptedGateway((seen, nth) => (nth === 1 ? batchAnswer(seen) : "hang"));
  const items = Array.from({ length: 20 }, (_, at) => ({ body: at }));
  for await (const receipt of clientOf(gateway).submitMany("orders", items, {
    batchSize: 5,
    underWayMax: 2,
  })) {
    assert.equal(receipt.id, "id-1");
    break;
  }
});

function firstLine(body: Buffer): string {
  return body.toString().split("\n", 1)[0] as string;
}
