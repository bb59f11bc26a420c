// Order keys, groups and urgencies, as senders and operators say them: over real HTTP in front of the real engine.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertProblem, done, GatewayUnderTest } from "../../test/gateway-under-test.ts";

const one = "/v1/queues/orders/requests";
const many = "/v1/queues/orders/batches";
const groups = "/v1/queues/orders/groups";
const orders = "/v1/queues/orders/orders";

let sut: GatewayUnderTest;
before(async () => {
  sut = await GatewayUnderTest.open();
});
after(() => sut[Symbol.asyncDispose]());

async function askedOf(id: string): Promise<readonly unknown[]> {
  const { json } = await sut.fetch(`/v1/requests/${id}`);
  return [json.order, json.group, json.priority];
}

function put(path: string, body: unknown, headers: Record<string, string> = {}) {
  return sut.fetch(path, { method: "PUT", body: JSON.stringify(body), headers });
}

describe("a sender", () => {
  test("says an order key, a group and an urgency by headers, and the request shows them", async () => {
    const headers = { "sluice-order": '"a \\"b\\""', "sluice-group": "tenant-1", priority: "i, u=1" };
    const { json, status } = await sut.post(one, "{}", headers);
    assert.equal(status, 202);
    assert.deepEqual(await askedOf(json.id), ['a "b"', "tenant-1", 1]);
    const plain = await sut.post(one, "{}");
    assert.deepEqual(await askedOf(plain.json.id), [null, null, null]);
  });

  test("says them for each line of a batch, or for all that say none", async () => {
    const lines = ['{"body":1}', '{"body":2,"order":"x","group":"g","priority":7}', '{"body":3,"priority":0}'];
    const { json } = await sut.post(many, lines.join("\n"), { "sluice-order": "all", priority: "u=5" });
    const asked = await Promise.all(json.receipts.map(({ id }: { id: string }) => askedOf(id)));
    assert.deepEqual(asked, [
      ["all", null, 5],
      ["x", "g", 7],
      ["all", null, 0],
    ]);
  });

  test("is not refused for a priority that says nothing readable", async () => {
    for (const priority of ["u=8", "u=x", "", "urgent", "u", "u=-1", "u=1.5", "u=".repeat(1_000)]) {
      const { json, status } = await sut.post(one, "{}", { priority });
      assert.equal(status, 202, priority);
      assert.deepEqual(await askedOf(json.id), [null, null, null]);
    }
  });

  test("is refused for a name that is none, and nothing is stored", async () => {
    const before = (await sut.engine.backlog())[0]?.accepted;
    for (const name of ["", " ", ".", '".."', "a b", '"a', "a".repeat(256), '"\\x"', "a, b"])
      for (const header of ["sluice-order", "sluice-group"])
        assertProblem(await sut.post(one, "{}", { [header]: name }), 400, "bad-parameter");
    for (const member of [
      '"order":""',
      '"order":7',
      '"group":null',
      '"priority":8',
      '"priority":"1"',
      '"priority":1.5',
    ])
      assertProblem(await sut.post(many, `{"body":1}\n{"body":2,${member}}`), 400, "bad-batch-line");
    assert.equal((await sut.engine.backlog())[0]?.accepted, before);
  });
});

describe("an operator", () => {
  test("sees the largest groups, limits one, and takes it back", async () => {
    const lines = Array.from({ length: 3 }, () => '{"body":1,"group":"big"}');
    await sut.post(many, lines.join("\n"));
    const { json } = await sut.fetch(`${groups}?limit=1`);
    assert.deepEqual(json.groups, [
      {
        name: "big",
        backlog: 3,
        inFlight: 0,
        weight: 1,
        concurrency: null,
        ratePerHour: null,
        backlogMax: null,
        paused: false,
      },
    ]);
    const longest = "/".repeat(255);
    assert.equal((await put(`${groups}/${encodeURIComponent(longest)}`, {})).json.name, longest);
    const limits = { weight: 2, concurrency: 4, rate: "10/s", backlogMax: 3, paused: true };
    const set = await put(`${groups}/big`, limits);
    assert.deepEqual(
      [set.status, set.json.weight, set.json.concurrency, set.json.ratePerHour, set.json.paused],
      [200, 2, 4, 36_000, true],
    );
    const full = await sut.post(one, "{}", { "sluice-group": "big" });
    assertProblem(full, 503, "backlog-full");
    assert.ok(full.headers.has("retry-after"));
    const back = await put(`${groups}/big`, {});
    assert.deepEqual([back.json.weight, back.json.paused, back.json.backlogMax], [1, false, null]);
    assert.equal((await sut.post(one, "{}", { "sluice-group": "big" })).status, 202);
  });

  test("pauses and resumes a group, and what else was set for it stays", async () => {
    const group = `${groups}/${encodeURIComponent("a/b?")}`;
    await put(group, { weight: 2, rate: "1/d" });
    const post = async (verb: string) => (await sut.post(`${group}/${verb}`)).json;
    const paused = await post("pause");
    assert.deepEqual([paused.name, paused.weight, paused.ratePerHour, paused.paused], ["a/b?", 2, 1 / 24, true]);
    const resumed = await post("resume");
    assert.deepEqual((await sut.fetch(`${groups}?limit=1000`)).json.groups.at(-1), resumed);
    assert.deepEqual([resumed.weight, resumed.ratePerHour, resumed.paused], [2, 1 / 24, false]);
    await sut.post(`${groups}/other/pause`);
    await sut.post(`${groups}/other/resume`);
    const { json } = await sut.fetch(`${groups}?limit=1000`);
    assert.ok(!json.groups.some(({ name }: { name: string }) => name === "other"), "nothing is set for it");
    await put(group, {});
  });

  test("is told what is wrong with an order", async () => {
    const wrong = [
      { weight: 0 },
      { weight: "1" },
      { concurrency: 0 },
      { rate: "fast" },
      { rate: 7 },
      { paused: 1 },
      { size: 1 },
    ];
    for (const body of wrong) assertProblem(await put(`${groups}/g`, body), 400, "bad-parameter");
    assertProblem(await put(`${groups}/g`, []), 400, "bad-request");
    assertProblem(await put(`${groups}/${"g".repeat(256)}`, {}), 400, "bad-parameter");
    assertProblem(await put("/v1/queues/nope/groups/g", {}), 404, "unknown-queue");
    assertProblem(await sut.fetch(`${groups}?limit=0`), 400, "bad-parameter");
  });

  test("sees that no order key is held, and releases none", async () => {
    assert.deepEqual((await sut.fetch(orders)).json, { orders: [] });
    const { json } = await sut.fetch(`${orders}/a%2Fb/release`, { method: "POST" });
    assert.deepEqual(json, { order: "a/b", released: false });
  });

  test("finds a request of an order key that waits for another one", async () => {
    const [first, second] = [
      await sut.post(one, "{}", { "sluice-order": "k" }),
      await sut.post(one, "{}", { "sluice-order": "k" }),
    ];
    const claims = [];
    for (let at = 0; at < 50 && claims.at(-1) !== first.json.id; at += 1) {
      const [delivery] = await sut.engine.deliver({ queue: "orders", max: 1, signal: AbortSignal.timeout(2_000) });
      if (delivery === undefined) break;
      claims.push(delivery.claim.id);
      if (delivery.claim.id !== first.json.id) await sut.engine.settle(delivery.claim, done("ok"));
    }
    assert.ok(!claims.includes(second.json.id));
    assert.equal((await sut.fetch(`/v1/requests/${second.json.id}`)).json.state, "waiting");
  });
});
