import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { dead, done, GatewayUnderTest } from "../../test/gateway-under-test.ts";

const route = "/v1/queues/orders/requests";

describe("accepting one request", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open();
  });
  after(() => sut[Symbol.asyncDispose]());

  test("answers 202 with a receipt, where to look and when to come again", async () => {
    const { status, headers, json } = await sut.post(route, '{"sku":7}', { "content-type": "application/json" });
    assert.equal(status, 202);
    assert.match(json.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    assert.deepEqual(Object.keys(json), ["id", "queue", "state", "acceptedAt", "durability", "expectedBy"]);
    assert.equal(json.queue, "orders");
    assert.equal(json.state, "waiting");
    assert.equal(json.durability, "fsync");
    assert.ok(Math.abs(Date.parse(json.acceptedAt) - Date.now()) < 60_000);
    assert.equal(headers.get("location"), `/v1/requests/${json.id}`);
    assert.ok(Number(headers.get("retry-after")) >= 1);
    assert.equal(headers.get("idempotent-replayed"), null);
  });

  test("stores any bytes under any media type, as they came", async () => {
    const body = Uint8Array.from({ length: 256 }, (_, index) => index);
    const { json } = await sut.post(route, body, { "content-type": 'x-any/thing+x; a="b,c"; q=1' });
    const answer = await fetch(`${sut.url}/v1/requests/${json.id}/body`);
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), body);
    assert.equal(answer.headers.get("content-type"), 'x-any/thing+x; a="b,c"; q=1');
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    assert.equal(answer.headers.get("content-security-policy"), "sandbox");
  });

  test("takes an empty body, as application/octet-stream without a content type", async () => {
    const answer = await sut.raw(`POST ${route} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    assert.match(answer, /^HTTP\/1.1 202 /);
    const id = /"id":"([^"]+)"/.exec(answer)?.[1];
    const { json } = await sut.fetch(`/v1/requests/${id}`);
    assert.equal(json.contentType, "application/octet-stream");
    assert.equal(json.bytes, 0);
  });

  test("takes a body in chunks", async () => {
    const head = `POST ${route} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n`;
    const answer = await sut.raw(head, "3\r\nabc\r\n", "2\r\nde\r\n", "0\r\n\r\n");
    const id = /"id":"([^"]+)"/.exec(answer)?.[1];
    assert.equal((await sut.fetch(`/v1/requests/${id}/body`)).text, "abcde");
  });

  test("answers requests sent in one go on one connection, in order", async () => {
    const one = (key: string, more = ""): string =>
      `POST ${route} HTTP/1.1\r\nhost: localhost\r\nidempotency-key: ${key}\r\ncontent-length: 2\r\n${more}\r\nok`;
    const answer = await sut.raw(one("pipe-1") + one("pipe-2") + one("pipe-1", "connection: close\r\n"));
    const ids = [...answer.matchAll(/"id":"([^"]+)"/g)].map((match) => match[1]);
    assert.equal(ids.length, 3);
    assert.equal(ids[0], ids[2]);
    assert.notEqual(ids[0], ids[1]);
  });

  test("the same key and body get the same receipt again", async () => {
    const first = await sut.post(route, "one", { "idempotency-key": '"same key"'.replace(" ", "-") });
    const again = await sut.post(route, "one", { "idempotency-key": "same-key" });
    assert.equal(again.status, 202);
    assert.equal(again.json.id, first.json.id);
    assert.equal(again.json.acceptedAt, first.json.acceptedAt);
    assert.equal(again.headers.get("idempotent-replayed"), "true");
  });

  test("the same key in another queue is another request", async () => {
    const first = await sut.post(route, "one", { "idempotency-key": "per-queue" });
    const other = await sut.post("/v1/queues/mails/requests", "two", { "idempotency-key": "per-queue" });
    assert.equal(other.status, 202);
    assert.notEqual(other.json.id, first.json.id);
  });

  test("the same key with another body is refused", async () => {
    await sut.post(route, "one", { "idempotency-key": "reused" });
    const { status, json } = await sut.post(route, "two", { "idempotency-key": "reused" });
    assert.equal(status, 422);
    assert.equal(json.code, "key-reused");
  });

  test("a CloudEvent is known again by its source and id", async () => {
    const event = { "ce-specversion": "1.0", "ce-type": "t", "ce-source": "/shop", "ce-id": "1" };
    const first = await sut.post(route, "{}", event);
    const again = await sut.post(route, "{}", event);
    const other = await sut.post(route, "{}", { ...event, "ce-id": "2" });
    assert.equal(again.json.id, first.json.id);
    assert.equal(again.headers.get("idempotent-replayed"), "true");
    assert.notEqual(other.json.id, first.json.id);
  });

  test("the headers of a CloudEvent and of a trace travel on, and no others", async () => {
    await using own = await GatewayUnderTest.open();
    const travelling = { "ce-source": "/shop", "ce-id": "9", traceparent: "00-a-b-01", tracestate: "x=1" };
    await own.post(route, "{}", { ...travelling, authorization: "secret" });
    const { request } = await own.deliver();
    assert.deepEqual({ ...request.headers }, travelling);
  });

  test("expects an end by the queue's rate once a worker is there", async () => {
    await using own = await GatewayUnderTest.open();
    using _worker = own.engine.attend("orders");
    await Promise.all(Array.from({ length: 10 }, () => own.accepted()));
    await own.fetch("/v1/queues"); // a fresh reading
    const { json, headers } = await own.post(route, "{}");
    const seconds = (Date.parse(json.expectedBy) - Date.parse(json.acceptedAt)) / 1_000;
    assert.ok(seconds >= 9 && seconds <= 12, `10 before it at one a second, got ${seconds}`);
    assert.ok(Number(headers.get("retry-after")) >= 9);
  });

  test("expects the end of each of a batch after those before it", async () => {
    await using own = await GatewayUnderTest.open();
    using _worker = own.engine.attend("orders");
    await own.fetch("/v1/queues");
    const lines = '{"body":1}\n'.repeat(30);
    const { json } = await own.post("/v1/queues/orders/batches", lines, { "content-type": "application/x-ndjson" });
    const seconds = json.receipts.map(
      ({ expectedBy, acceptedAt }: Record<string, string>) =>
        (Date.parse(expectedBy ?? "") - Date.parse(acceptedAt ?? "")) / 1_000,
    );
    assert.ok(seconds[0] <= 2 && seconds[29] >= 28 && seconds[29] <= 31, seconds.join(" "));
  });

  test("expects an end by how long others took that were looked at since", async () => {
    await using own = await GatewayUnderTest.open();
    using _worker = own.engine.attend("mails");
    const submit = async () => (await own.post("/v1/queues/mails/requests", "{}")).json;
    let receipt = await submit();
    for (let round = 0; round < 10; round += 1) {
      const [delivery] = await own.engine.deliver({ queue: "mails", max: 1, signal: AbortSignal.timeout(10_000) });
      await setTimeout(210); // the next reading is a new one
      if (delivery !== undefined) await own.engine.settle(delivery.claim, done("x"));
      await own.fetch(`/v1/requests/${receipt.id}`);
      receipt = await submit();
    }
    const expectedMs = Date.parse(receipt.expectedBy) - Date.parse(receipt.acceptedAt);
    assert.ok(expectedMs >= 200 && expectedMs < 5_000, String(expectedMs));
  });

  test("expects no end while nothing is delivered, and says why in the forecast", async () => {
    await using own = await GatewayUnderTest.open();
    const worker = own.engine.attend("orders");
    await own.accepted();
    worker.breakerOpen(true);
    await own.fetch("/v1/queues"); // a fresh reading
    const { json, headers } = await own.post(route, "{}");
    assert.equal(json.expectedBy, null);
    assert.equal(headers.get("retry-after"), "60");
    const reasonNow = async (): Promise<string> => (await own.fetch("/v1/queues/orders")).json.forecast.reason;
    assert.equal(await reasonNow(), "target-down");
    worker[Symbol.dispose]();
    assert.equal(await reasonNow(), "no-workers");
  });
});

describe("accepting and waiting for the outcome", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open();
  });
  after(() => sut[Symbol.asyncDispose]());

  test("gives the result itself when it comes in time", async () => {
    const answer = sut.post(route, "{}", { prefer: "wait=20" });
    await sut.finish(done("<p>hi</p>", "text/html"));
    const { status, headers, text } = await answer;
    assert.equal(status, 200);
    assert.equal(text, "<p>hi</p>");
    assert.equal(headers.get("content-type"), "text/html");
    assert.equal(headers.get("preference-applied"), "wait=20");
    assert.match(headers.get("sluice-request-id") ?? "", /-7/);
    assert.equal(headers.get("x-content-type-options"), "nosniff");
  });

  test("gives 502 with the error when the request ends dead", async () => {
    const answer = sut.post(route, "{}", { prefer: "wait=20" });
    await sut.finish(dead);
    const { status, json, headers } = await answer;
    assert.equal(status, 502);
    assert.equal(headers.get("content-type"), "application/problem+json");
    assert.equal(json.code, "dead");
    assert.deepEqual(json.error, { code: "rejected", message: "no such customer" });
  });

  test("gives 409 when the request is cancelled meanwhile", async () => {
    const answer = sut.post(route, "{}", { prefer: "wait=20", "idempotency-key": "to-cancel" });
    const id = await idOfKey(sut, "to-cancel");
    await sut.post(`/v1/requests/${id}/cancel`);
    assert.equal((await answer).status, 409);
    assert.equal((await answer).json.code, "cancelled");
  });

  test("gives 202 when the time is up", async () => {
    const { status, json, headers } = await sut.post(route, "{}", { prefer: "wait=1" });
    assert.equal(status, 202);
    assert.equal(json.state, "waiting");
    assert.equal(headers.get("preference-applied"), "wait=1");
    await sut.finish(done("late"));
  });

  test("a repeat of a finished request gives its result at once", async () => {
    const headers = { "idempotency-key": "finished" };
    await sut.post(route, "{}", headers);
    await sut.finish(done("the result"));
    const again = await sut.post(route, "{}", { ...headers, prefer: "wait=20" });
    assert.equal(again.text, "the result");
    assert.equal(again.headers.get("idempotent-replayed"), "true");
  });
});

/** The id of the request with this key, as soon as it is stored: the deliveries of others tell when to look. */
async function idOfKey(sut: GatewayUnderTest, key: string): Promise<string> {
  for (;;) {
    const { json } = await sut.fetch(`/v1/requests?queue=orders&key=${key}`);
    if (json.requests.length > 0) return json.requests[0].id;
  }
}
