import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { parseQuota } from "../core/quota.ts";
import { changeKeyFile } from "./access/key-file.ts";
import { dead, GatewayUnderTest } from "../../test/gateway-under-test.ts";

const intake = "/v1/queues/orders/requests";

function shown(secret: string | undefined): Record<string, string> {
  return { authorization: `Bearer ${secret}` };
}

function without(entry: Readonly<Record<string, unknown>>, ...names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(entry).filter(([name]) => !names.includes(name)));
}

async function activityOf(sut: GatewayUnderTest, secret: string | undefined, query = "") {
  const { status, json } = await sut.fetch(`/v1/activity${query}`, { headers: shown(secret) });
  assert.equal(status, 200);
  return json as { readonly activity: readonly Record<string, unknown>[]; readonly nextCursor: string | null };
}

test("who paused, resumed, replayed, cancelled and healed is kept, and told in lines of their own", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{ name: "desk", sender: "ops" }] });
  const headers = shown(sut.secrets[0]);
  const post = async (path: string, body: string | null = null) => {
    const { status } = await sut.post(path, body, headers);
    assert.ok(status === 200 || status === 202, `${path}: ${status}`);
  };
  const first = await sut.accepted("1", headers);
  await sut.finish(dead);
  await post(`/v1/requests/${first}/replay`);
  await sut.finish(dead);
  await post("/v1/queues/orders/replay", '{"dryRun":true}');
  await post("/v1/queues/orders/replay");
  await post("/v1/queues/orders/pause");
  await post(`/v1/requests/${first}/cancel`);
  await post("/v1/queues/orders/resume");
  await post("/v1/audit/heal");
  assert.equal((await sut.post(`/v1/requests/${first}/cancel`, null, headers)).status, 409);

  const { activity, nextCursor } = await activityOf(sut, sut.secrets[0]);
  assert.equal(nextCursor, null);
  const caller = { key: "desk", sender: "ops", address: "127.0.0.1" };
  const expected = [
    { what: "replayed", about: first, requests: 1 },
    { what: "replayed", about: "orders", requests: 1 },
    { what: "paused", about: "orders" },
    { what: "cancelled", about: first, requests: 1 },
    { what: "resumed", about: "orders" },
    { what: "healed", about: "every queue", requests: 0 },
  ].map((entry) => ({ ...entry, ...caller }));
  const kept = activity.toReversed().map((entry) => without(entry, "at"));
  assert.deepEqual(
    kept.slice(1),
    expected.map((entry) => ({ requests: null, ...entry })),
  );
  assert.match(String(kept[0]?.["about"]), /^desk [0-9a-f]{12}$/);
  assert.deepEqual([kept[0]?.["what"], kept[0]?.["key"], kept[0]?.["sender"]], ["key-created", null, "ops"]);
  assert.deepEqual(
    sut.activityLines.map((line) => without(line, "level", "time")),
    expected.map(({ what: msg, ...entry }) => ({ ...entry, msg })),
  );

  const page = await activityOf(sut, sut.secrets[0], "?limit=4");
  assert.deepEqual(page.activity, activity.slice(0, 4));
  const rest = await activityOf(sut, sut.secrets[0], `?limit=4&cursor=${page.nextCursor}`);
  assert.deepEqual([rest.activity, rest.nextCursor], [activity.slice(4), null]);
  for (const query of ["?cursor=x", "?cursor=0", "?limit=0", "?queue=orders"])
    assert.equal((await sut.fetch(`/v1/activity${query}`, { headers })).json.code, "bad-parameter");
});

test("whose calls were refused is told in lines, a hundred in a minute at most, and keeps nothing", async () => {
  const keys = [{ name: "slow", scopes: ["send"] as const, quota: parseQuota("1/h") }, { name: "desk" }];
  await using sut = await GatewayUnderTest.open({ keys });
  const [slow, desk] = sut.secrets;
  await sut.post(intake, "{}", shown(slow));
  const before = await activityOf(sut, desk);
  await sut.post(intake, "{}", shown(slow));
  await sut.fetch("/v1/queues", { headers: shown(slow) });
  await sut.fetch("/v1/queues?secret", { headers: shown("sluice_stranger") });
  const told = sut.activityLines.map(({ code, key, method, path, address, msg }) => [
    code,
    key,
    method,
    path,
    address,
    msg,
  ]);
  assert.deepEqual(told, [
    ["rate-limited", "slow", "POST", intake, "127.0.0.1", "refused"],
    ["forbidden", "slow", "GET", "/v1/queues", "127.0.0.1", "refused"],
    ["unauthorized", undefined, "GET", "/v1/queues", "127.0.0.1", "refused"],
  ]);
  await Promise.all(Array.from({ length: 110 }, () => sut.fetch("/v1/queues")));
  assert.equal(sut.activityLines.length, 2 + 100);
  await sut.post("/v1/queues/orders/pause", null, shown(slow));
  assert.equal(sut.activityLines.at(-1)?.["key"], "slow", "calls without a key do not hide what key owners try");
  assert.deepEqual(await activityOf(sut, desk), before);
});

test("pages and names that are refused are told", async () => {
  await using sut = await GatewayUnderTest.open();
  await sut.raw("GET /v1/queues HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n");
  await sut.post(intake, "{}", { origin: "http://evil.example" });
  assert.deepEqual(
    sut.activityLines.map(({ code, path }) => [code, path]),
    [
      ["host-refused", "/v1/queues"],
      ["origin-refused", intake],
    ],
  );
});

test("who asked for a change and hung up is told as well", async () => {
  await using sut = await GatewayUnderTest.open();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: gone, resolve: go } = Promise.withResolvers<void>();
  const { pause } = sut.engine;
  sut.engine.pause = async (queue, isPaused) => {
    begin();
    await gone;
    await pause.call(sut.engine, queue, isPaused);
  };
  const socket = connect(Number(new URL(sut.url).port), "127.0.0.1");
  socket.write("POST /v1/queues/orders/pause HTTP/1.1\r\nhost: localhost\r\n\r\n");
  await begun;
  socket.destroy();
  for (let turn = 0; turn < 5; turn += 1) await sut.fetch("/livez"); // it has seen that by now
  go();
  const signal = AbortSignal.timeout(10_000);
  while (sut.activityLines.length === 0) {
    signal.throwIfAborted();
    await sut.fetch("/livez");
  }
  assert.equal(sut.activityLines[0]?.["address"], "127.0.0.1");
});

test("keys that come and go are told by the gateway that reads them", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{ name: "desk", sender: "ops" }] });
  await changeKeyFile(sut.keyFile, ([key, ...others]) =>
    key === undefined
      ? []
      : [key, ...others, { ...key, id: "second", sha256: Buffer.alloc(32), name: "next", revokedAt: 86_400_000 }],
  );
  const signal = AbortSignal.timeout(20_000);
  let { activity } = await activityOf(sut, sut.secrets[0]);
  while (activity.length < 3) {
    signal.throwIfAborted();
    ({ activity } = await activityOf(sut, sut.secrets[0]));
  }
  const told = { about: "next second", sender: "ops" };
  assert.deepEqual(
    activity
      .slice(0, 2)
      .map(({ at, what, about, sender, key, address }) => ({ at, what, about, sender, key, address })),
    [
      { at: "1970-01-02T00:00:00.000Z", what: "key-revoked", ...told, key: null, address: null },
      { at: "1970-01-01T00:00:00.000Z", what: "key-created", ...told, key: null, address: null },
    ],
  );
  assert.deepEqual(
    sut.activityLines.map(({ msg, about, sender }) => ({ msg, about, sender })),
    [
      { msg: "key-created", ...told },
      { msg: "key-revoked", ...told },
    ],
  );
});

test("a key that is limited to some queues, and one without the scope, do not read it", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{ queues: ["orders"] }, { scopes: ["read"] }] });
  for (const secret of sut.secrets)
    assert.equal((await sut.fetch("/v1/activity", { headers: shown(secret) })).status, 403);
});
