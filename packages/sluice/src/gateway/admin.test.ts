import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { dead, done, GatewayUnderTest } from "../../test/gateway-under-test.ts";

describe("moving requests", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open();
  });
  after(() => sut[Symbol.asyncDispose]());

  test("a dead one is replayed under the same id with fresh attempts", async () => {
    const id = await sut.accepted();
    await sut.finish(dead);
    const { status, json } = await sut.post(`/v1/requests/${id}/replay`);
    assert.equal(status, 202);
    assert.equal(json.id, id);
    assert.equal(json.state, "waiting");
    assert.equal(json.attempts, 0);
    assert.ok(Date.parse(json.replayedAt) >= Date.parse(json.acceptedAt));
    await sut.finish(done("at last"));
    assert.equal((await sut.fetch(`/v1/requests/${id}/result`)).text, "at last");
  });

  test("one that is not dead is not replayed", async () => {
    const id = await sut.accepted();
    const { status, json } = await sut.post(`/v1/requests/${id}/replay`);
    assert.equal(status, 409);
    assert.equal(json.code, "not-dead");
    assert.equal(json.state, "waiting");
    await sut.finish(done("x"));
  });

  test("one that waits is cancelled, once", async () => {
    const id = await sut.accepted();
    const { status, json } = await sut.post(`/v1/requests/${id}/cancel`);
    assert.equal(status, 200);
    assert.equal(json.state, "cancelled");
    assert.ok(!("replayedAt" in json));
    const again = await sut.post(`/v1/requests/${id}/cancel`);
    assert.equal(again.status, 409);
    assert.equal(again.json.code, "not-waiting");
    assert.equal(again.json.state, "cancelled");
  });

  test("one that runs is not cancelled", async () => {
    const id = await sut.accepted();
    const { claim } = await sut.deliver();
    assert.equal((await sut.post(`/v1/requests/${id}/cancel`)).json.state, "running");
    await sut.engine.settle(claim, done("x"));
  });

  test("dead ones are replayed in bulk, by error and limit, and not at all on a dry run", async () => {
    for (let n = 0; n < 3; n += 1) await sut.accepted();
    for (let n = 0; n < 3; n += 1) await sut.finish(dead);
    const replay = async (order: object): Promise<unknown> =>
      (await sut.post("/v1/queues/orders/replay", JSON.stringify(order))).json;
    assert.deepEqual(await replay({ dryRun: true }), { total: 3, limit: 1_000, matched: 3, replayed: 0, dryRun: true });
    const limited = { error: "rejected", limit: 2 };
    const of3 = { total: 3, limit: 2, matched: 2 };
    assert.deepEqual(await replay({ ...limited, dryRun: true }), { ...of3, replayed: 0, dryRun: true });
    const none = { total: 0, limit: 1_000, matched: 0, replayed: 0, dryRun: false };
    assert.deepEqual(await replay({ error: "timeout" }), none);
    assert.deepEqual(await replay(limited), { ...of3, replayed: 2, dryRun: false });
    const last = (await sut.post("/v1/queues/orders/replay")).json;
    assert.deepEqual(last, { total: 1, limit: 1_000, matched: 1, replayed: 1, dryRun: false });
    for (let n = 0; n < 3; n += 1) await sut.finish(done("x"));
  });
});

describe("what failed", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open();
  });
  after(() => sut[Symbol.asyncDispose]());

  test("shows the attempts of a request that were tried again", async () => {
    const id = await sut.accepted();
    assert.deepEqual((await sut.fetch(`/v1/requests/${id}/attempts`)).json, { failures: [] });
    const { claim } = await sut.deliver();
    const failure = { code: "timeout", message: "too slow" };
    await sut.engine.retry(claim, { dueAt: 0, failure, isCounted: true });
    const { failures } = (await sut.fetch(`/v1/requests/${id}/attempts`)).json;
    assert.deepEqual(
      failures.map(({ attempt, error }: { attempt: number; error: unknown }) => ({ attempt, error })),
      [{ attempt: 1, error: failure }],
    );
    assert.ok(Math.abs(Date.parse(failures[0].at) - Date.now()) < 60_000);
    await sut.finish(done("x"));
    assert.equal((await sut.fetch("/v1/requests/nobody/attempts")).json.code, "unknown-request");
  });

  test("groups the dead of a queue by their error", async () => {
    assert.deepEqual((await sut.fetch("/v1/queues/orders/dead")).json, { groups: [] });
    const ids = [await sut.accepted(), await sut.accepted()];
    for (const _id of ids) await sut.finish(dead);
    const { groups } = (await sut.fetch("/v1/queues/orders/dead")).json;
    const [{ error, count, newest }] = groups;
    assert.deepEqual(
      [groups.length, error, count, newest.id, newest.message],
      [1, "rejected", 2, ids[1], "no such customer"],
    );
    assert.ok(Date.parse(newest.at) > 0);
    assert.equal((await sut.fetch("/v1/queues/nobody/dead")).json.code, "unknown-queue");
  });
});

describe("queues", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open();
  });
  after(() => sut[Symbol.asyncDispose]());

  test("are shown whole, used or not", async () => {
    await sut.accepted("12345");
    const { json } = await sut.fetch("/v1/queues");
    assert.deepEqual(
      json.queues.map(({ name }: { name: string }) => name),
      ["mails", "orders"],
    );
    const [mails, orders] = json.queues;
    assert.equal(orders.accepted, 1);
    assert.equal(orders.backlog, 1);
    assert.equal(orders.counts.waiting, 1);
    assert.equal(orders.ratePerHour, 3_600);
    assert.ok(Date.parse(orders.oldestWaitingAt) > 0);
    assert.ok(orders.rates.accepted.m1 > 0);
    assert.deepEqual(mails.forecast, { kind: "idle" });
    assert.equal(mails.oldestWaitingAt, null);
    assert.deepEqual((await sut.fetch("/v1/queues/mails")).json, mails);
    await sut.finish(done("x"));
  });

  test("are paused and resumed; intake goes on", async () => {
    const before = Date.now();
    const paused = await sut.post("/v1/queues/orders/pause");
    assert.equal(paused.status, 200);
    assert.equal(paused.json.paused, true);
    const id = await sut.accepted();
    const { kind, reason, since } = (await sut.fetch("/v1/queues/orders")).json.forecast;
    assert.deepEqual([kind, reason], ["stalled", "paused"]);
    assert.ok(Date.parse(since) >= before && Date.parse(since) <= Date.now(), since);
    const resumed = await sut.post("/v1/queues/orders/resume");
    assert.equal(resumed.json.paused, false);
    assert.equal((await sut.deliver()).request.id, id);
  });

  test("are audited: accepted is the sum over the states", async () => {
    const { status, json } = await sut.fetch("/v1/audit");
    assert.equal(status, 200);
    assert.equal(json.holds, true);
    const { queue, accepted, missing, ...counts } = json.queues.find(
      (audit: { queue: string }) => audit.queue === "orders",
    );
    assert.equal(queue, "orders");
    assert.equal(missing, 0);
    assert.equal(
      accepted,
      Object.values(counts as Record<string, number>).reduce((sum, count) => sum + count, 0),
    );
  });
});
