import assert from "node:assert/strict";
import { test } from "node:test";
import { done, GatewayUnderTest } from "../../test/gateway-under-test.ts";

test("what is asked of one queue reads no other one", async () => {
  await using sut = await GatewayUnderTest.open();
  const asked = new Set<string | undefined>();
  const { backlog } = sut.engine;
  sut.engine.backlog = (queue) => (asked.add(queue), backlog.call(sut.engine, queue));
  const id = await sut.accepted();
  await sut.post("/v1/queues/orders/batches", '{"body":1}', { "content-type": "application/x-ndjson" });
  for (const path of [
    "/v1/queues/orders",
    "/v1/queues/orders/scaling",
    `/v1/requests/${id}`,
    "/v1/requests?queue=orders",
  ])
    assert.equal((await sut.fetch(path)).status, 200);
  await sut.fetch(`/v1/requests/${id}/result`);
  await sut.post("/v1/queues/orders/pause");
  await sut.post("/v1/queues/orders/resume");
  assert.deepEqual([...asked], ["orders"]);
  assert.equal((await sut.fetch("/v1/queues")).json.queues.length, 2);
});

test("the forecast of a queue is read again for each queue that is asked for", async () => {
  await using sut = await GatewayUnderTest.open();
  using _worker = sut.engine.attend("mails");
  await sut.accepted();
  const { headers } = await sut.post("/v1/queues/mails/requests", "{}");
  assert.equal(headers.get("retry-after"), "1");
  await sut.finish(done("x"));
});
