import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const route = "/v1/queues/orders/scaling";
const done = { kind: "done", result: { contentType: "text/plain", bytes: Buffer.from("x") } } as const;
let sut: GatewayUnderTest;
before(async () => {
  sut = await GatewayUnderTest.open();
});
after(() => sut[Symbol.asyncDispose]());

test("a queue that was never used needs its minimum; the goal is told", async () => {
  const { status, json } = await sut.fetch("/v1/queues/mails/scaling");
  assert.equal(status, 200);
  assert.deepEqual(json, {
    queue: "mails",
    desiredReplicas: 1,
    replicas: 0,
    forecastWaitSeconds: 0,
    reason: "unmeasured",
    because: "what one replica finishes is not measured yet",
    arrivalsPerHour: 0,
    perReplicaPerHour: null,
    backlog: 0,
    goal: { min: 1, max: 4, maxWaitSeconds: 60, holdSeconds: 60 },
  });
});

test("a backlog that one measured replica does not finish in time asks for more, up to what the rate feeds", async () => {
  using _worker = sut.engine.attend("orders");
  for (let n = 0; n < 400; n += 100)
    await sut.post("/v1/queues/orders/batches", '{"body":1}\n'.repeat(100), { "content-type": "application/x-ndjson" });
  await sut.fetch(route);
  const startedAt = performance.now();
  await sut.finish(done);
  while (performance.now() - startedAt < 2_000) await sut.fetch("/livez"); // a slow replica: one in two seconds
  const { json } = await sut.fetch(route);
  assert.equal(json.replicas, 1);
  assert.ok(json.perReplicaPerHour > 1_000 && json.perReplicaPerHour < 1_900, json.perReplicaPerHour);
  // 399 in a minute would need more than ten of them; its rate of 3,600 an hour feeds two or three, of at most four.
  assert.equal(json.reason, "rate");
  assert.ok(json.desiredReplicas >= 2 && json.desiredReplicas <= 3, json.because);
  assert.ok(json.forecastWaitSeconds > 60);
  assert.match(json.because, /feeds no more than/);
});

test("what was asked for last outlives the workers and the gateway", async () => {
  const { json: asked } = await sut.fetch(route);
  const stored = async () => (await sut.engine.backlog()).find(({ queue }) => queue === "orders")?.replicasAsked;
  assert.equal(await stored(), asked.desiredReplicas);
  await using restarted = await sut.restartedGateway();
  const { json } = await restarted.fetch(route);
  assert.deepEqual([json.replicas, json.reason, json.backlog], [0, "unmeasured", 399]);
  assert.equal(json.desiredReplicas, asked.desiredReplicas);
  await sut.engine.askReplicas("orders", 4);
  assert.equal((await restarted.fetch(route)).json.desiredReplicas, 4);
});

test("an unknown queue is told as such", async () => {
  const { status, json } = await sut.fetch("/v1/queues/nobody/scaling");
  assert.deepEqual([status, json.code], [404, "unknown-queue"]);
});
