import assert from "node:assert/strict";
import { test } from "node:test";
import { parseQuota } from "../../core/quota.ts";
import { changeKeyFile } from "./key-file.ts";
import { GatewayUnderTest } from "../../../test/gateway-under-test.ts";

const intake = "/v1/queues/orders/requests";
const batches = "/v1/queues/orders/batches";

test("a sender over its own rate is 429 with the headers that say when to come back, and others are let in", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{ quota: parseQuota("2/h") }, {}] });
  const [limited, other] = sut.secrets.map((secret) => ({ authorization: `Bearer ${secret}` }));
  const first = await sut.post(intake, "{}", limited);
  assert.equal(first.status, 202);
  assert.equal(first.headers.get("ratelimit-policy"), '"requests";q=2;w=3600');
  assert.match(first.headers.get("ratelimit") ?? "", /^"requests";r=1;t=1[78]\d\d$/);
  assert.equal((await sut.post(intake, "{}", limited)).status, 202);
  const refused = await sut.post(intake, "{}", limited);
  assert.equal(refused.status, 429);
  assert.equal(refused.json.code, "rate-limited");
  assert.match(refused.headers.get("ratelimit") ?? "", /^"requests";r=0;t=1[78]\d\d$/);
  const after = Number(refused.headers.get("retry-after"));
  assert.ok(after > 1_700 && after <= 1_800, `Retry-After: ${after}`);
  assert.equal((await sut.post(batches, '{"body":1}', limited)).status, 429);
  assert.equal((await sut.fetch("/v1/queues", { headers: limited ?? {} })).status, 200, "reading goes on");
  const free = await sut.post(intake, "{}", other);
  assert.equal(free.status, 202);
  assert.equal(free.headers.get("ratelimit"), null);
  const [{ accepted }] = (await sut.fetch("/v1/audit", { headers: other ?? {} })).json.queues.filter(
    ({ queue }: { queue: string }) => queue === "orders",
  );
  assert.equal(accepted, 3);
});

test("each line of a batch counts, and a batch that is refused counts as one", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{ quota: parseQuota("10/h") }] });
  const headers = { authorization: `Bearer ${sut.secrets[0]}` };
  assert.equal((await sut.post(batches, "no\n".repeat(5), headers)).status, 400);
  const batch = await sut.post(batches, '{"body":1}\n'.repeat(6), headers);
  assert.match(batch.headers.get("ratelimit") ?? "", /^"requests";r=3;/);
  const tooMany = await sut.post(batches, '{"body":1}\n'.repeat(6), headers);
  assert.equal(tooMany.status, 429);
  assert.match(tooMany.json.detail, /3 are left, the batch has 6/);
  assert.ok(Number(tooMany.headers.get("retry-after")) > 700, "until there are three more");
  for (let left = 2; left >= 0; left -= 1)
    assert.match((await sut.post(intake, "{}", headers)).headers.get("ratelimit") ?? "", new RegExp(`r=${left};`));
  assert.equal((await sut.post(intake, "{}", headers)).status, 429);
});

test("twenty batches at once stay within the rate, and what is refused otherwise is given back", async () => {
  await using sut = await GatewayUnderTest.open({ backlogMax: 45, keys: [{ quota: parseQuota("50/h") }] });
  const headers = { authorization: `Bearer ${sut.secrets[0]}` };
  const send = (lines: number) => sut.post(batches, '{"body":1}\n'.repeat(lines), headers);
  const statuses = (await Promise.all(Array.from({ length: 20 }, () => send(40)))).map(({ status }) => status);
  assert.deepEqual(
    statuses.toSorted((a, b) => a - b),
    [202, ...Array.from({ length: 19 }, () => 429)],
  );
  const full = await send(9);
  assert.equal(full.status, 503);
  assert.match(full.headers.get("ratelimit") ?? "", /r=9;/);
  assert.equal((await send(5)).status, 202);
});

test("a batch that is larger than the whole rate is refused by a name that no wait changes", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{ name: "shop", quota: parseQuota("10/h") }] });
  const refused = await sut.post(batches, '{"body":1}\n'.repeat(11), { authorization: `Bearer ${sut.secrets[0]}` });
  assert.equal(refused.status, 413);
  assert.equal(refused.headers.get("retry-after"), null);
  assert.match(refused.json.detail, /the key shop may hand in 10\/h: a batch may have up to 10 lines, it has 11/);
});

test("what was used stays used when the file of the keys changes", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{ quota: parseQuota("1/h") }, { name: "marker" }] });
  const [limited, marker] = sut.secrets.map((secret) => ({ authorization: `Bearer ${secret}` }));
  assert.equal((await sut.post(intake, "{}", limited)).status, 202);
  await changeKeyFile(sut.keyFile, (keys) => keys.filter(({ name }) => name !== "marker"));
  const signal = AbortSignal.timeout(20_000);
  while ((await sut.fetch("/v1/queues", { headers: marker ?? {} })).status !== 401) signal.throwIfAborted();
  assert.equal((await sut.post(intake, "{}", limited)).status, 429);
});
