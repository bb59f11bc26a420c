import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const route = "/v1/queues/orders/requests";

describe("shutting down", () => {
  test("a draining gateway refuses new work, goes on reading, and closes connections", async () => {
    await using sut = await GatewayUnderTest.open();
    const id = await sut.accepted();
    assert.equal((await sut.fetch("/readyz")).status, 200);
    sut.gateway.drain();
    const refused = await sut.post(route, "{}");
    assert.equal(refused.status, 503);
    assert.equal(refused.json.code, "draining");
    assert.ok(Number(refused.headers.get("retry-after")) >= 1);
    assert.equal(refused.headers.get("connection"), "close");
    assert.equal((await sut.post("/v1/queues/orders/batches", '{"body":1}')).json.code, "draining");
    const ready = await sut.fetch("/readyz");
    assert.equal(ready.status, 503);
    assert.equal(ready.json.ready, false);
    assert.equal(ready.json.problems[0].code, "draining");
    assert.equal((await sut.fetch(`/v1/requests/${id}`)).status, 200);
    assert.equal((await sut.fetch("/livez")).status, 200);
  });

  test("closing ends waits and event streams, and answers what is under way", async () => {
    await using sut = await GatewayUnderTest.open();
    const id = await sut.accepted();
    const stream = await fetch(`${sut.url}/v1/requests/${id}/events`);
    const { promise: watched, resolve } = Promise.withResolvers<void>();
    const watch = sut.engine.watch.bind(sut.engine);
    sut.engine.watch = (...watching) => (resolve(), watch(...watching));
    const wait = sut.post(route, "{}", { prefer: "wait=60" });
    await watched;
    await Promise.all([sut.gateway.close(), sut.gateway.close()]);
    assert.equal((await wait).status, 202);
    assert.match(await stream.text(), /waiting/);
    await assert.rejects(fetch(sut.url));
  });

  test("a connection on which nothing was sent does not hold up closing", async () => {
    await using sut = await GatewayUnderTest.open();
    const answer = sut.raw();
    await sut.fetch("/livez"); // by now the server has the silent connection too
    await sut.gateway.close();
    assert.equal(await answer, "");
  });

  test("a sender that never finishes does not hold up closing beyond its grace", async () => {
    await using sut = await GatewayUnderTest.open({ limits: { closeGraceMs: 50 } });
    const answer = sut.raw(`POST ${route} HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc`);
    await sut.fetch("/livez"); // by now the server has the other connection too
    await sut.gateway.close();
    assert.equal(await answer, "");
  });
});

test("what breaks inside is 500 and does not show", async () => {
  await using sut = await GatewayUnderTest.open();
  sut.engine.audit = () => Promise.reject(new Error("a secret of the inside"));
  const { status, json, text } = await sut.fetch("/v1/audit");
  assert.equal(status, 500);
  assert.equal(json.code, "internal");
  assert.doesNotMatch(text, /secret/);
});

test("GET / says where to go", async () => {
  await using sut = await GatewayUnderTest.open();
  const { json } = await sut.fetch("/");
  assert.equal(json.name, "sluice");
  assert.equal(json.version, "1.2.3");
  assert.equal((await sut.fetch(json.links.api)).status, 200);
});

test("the API's description covers every route and says what each answers", async () => {
  await using sut = await GatewayUnderTest.open();
  const { json } = await sut.fetch("/openapi.json");
  assert.match(json.openapi, /^3\.1/);
  const described = Object.entries(json.paths as Record<string, Record<string, unknown>>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(described.sort(), [
    "GET /",
    "GET /livez",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "GET /v1/audit",
    "GET /v1/audit/receipts/{id}",
    "GET /v1/overview/events",
    "GET /v1/queues",
    "GET /v1/queues/{queue}",
    "GET /v1/queues/{queue}/dead",
    "GET /v1/queues/{queue}/scaling",
    "GET /v1/requests",
    "GET /v1/requests/{id}",
    "GET /v1/requests/{id}/attempts",
    "GET /v1/requests/{id}/body",
    "GET /v1/requests/{id}/events",
    "GET /v1/requests/{id}/result",
    "POST /v1/audit/heal",
    "POST /v1/queues/{queue}/batches",
    "POST /v1/queues/{queue}/pause",
    "POST /v1/queues/{queue}/replay",
    "POST /v1/queues/{queue}/requests",
    "POST /v1/queues/{queue}/resume",
    "POST /v1/requests/{id}/cancel",
    "POST /v1/requests/{id}/replay",
  ]);
  const accept = json.paths["/v1/queues/{queue}/requests"].post;
  assert.ok(accept.responses["202"].content["application/json"].schema.properties.durability);
  assert.ok(accept.responses["default"].content["application/problem+json"]);
  assert.deepEqual(Object.keys(accept.requestBody.content), ["*/*"]);
  const replay = json.paths["/v1/queues/{queue}/replay"].post;
  assert.deepEqual(Object.keys(replay.requestBody.content["application/json"].schema.properties), [
    "error",
    "limit",
    "dryRun",
  ]);
});
