import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const list = "GET /v1/requests?limit=1000 HTTP/1.1\r\nhost: localhost\r\n\r\n";

/** Lists that go on until they are let go. */
function holdLists(sut: GatewayUnderTest): { readonly count: () => number; readonly letGo: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { list: read } = sut.engine;
  let count = 0;
  sut.engine.list = async (filter) => {
    count += 1;
    await promise;
    return read.call(sut.engine, filter);
  };
  return { count: () => count, letGo: resolve };
}

test("of many lists at once a few are read, so many wait, and those whose client has gone are not read", async () => {
  await using sut = await GatewayUnderTest.open({ limits: { longReadsMax: 2, longReadsWaitingMax: 5 } });
  const { count, letGo } = holdLists(sut);
  const socket = connect(Number(new URL(sut.url).port), "127.0.0.1");
  socket.write(list.repeat(7));
  while (count() < 2) await sut.fetch("/livez");
  const refused = await sut.fetch("/v1/requests");
  assert.deepEqual([refused.status, refused.json.code, refused.headers.get("retry-after")], [503, "overloaded", "1"]);
  assert.equal((await sut.fetch("/v1/queues")).status, 200, "what is short does not wait");
  socket.destroy();
  for (let turn = 0; turn < 5; turn += 1) await sut.fetch("/livez"); // it has seen that by now
  letGo();
  while ((await sut.fetch("/v1/requests")).status !== 200);
  assert.equal(count(), 3);
});

test("no POST waits for a reading of its queue for long", async () => {
  await using sut = await GatewayUnderTest.open();
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  const { backlog } = sut.engine;
  sut.engine.backlog = async (queue) => {
    await held;
    return backlog.call(sut.engine, queue);
  };
  const startedAt = performance.now();
  assert.equal((await sut.post("/v1/queues/orders/requests", "1")).status, 202);
  assert.ok(performance.now() - startedAt < 2_000);
  letGo();
});
