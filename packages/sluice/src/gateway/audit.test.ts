import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { done, GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { seqOf, timeOfId, type RequestId } from "../core/request-id.ts";

test("the audit shows a gap of the chain with its span, and a receipt from it as one that may be missing", async () => {
  await using sut = await GatewayUnderTest.open();
  const ids: RequestId[] = [];
  for (let count = 0; count < 3; count += 1) ids.push((await sut.accepted()) as RequestId);
  const [chain, lost, before] = ids as [RequestId, RequestId, RequestId];
  const db = new DatabaseSync(join(sut.folder, "sluice.db"));
  db.exec(`DELETE FROM requests WHERE seq = (SELECT first_seq FROM links WHERE place = 1);
    DELETE FROM links WHERE place = 1; UPDATE queues SET accepted = accepted - 1 WHERE name = 'orders'`);
  db.close();
  const { json } = await sut.fetch("/v1/audit");
  const span = { from: new Date(timeOfId(chain)).toISOString(), to: new Date(timeOfId(before)).toISOString() };
  assert.deepEqual(
    [json.holds, json.findings],
    [
      false,
      [
        {
          kind: "gap",
          queue: "orders",
          id: before,
          what: `1 missing before it, accepted between ${span.from} and ${span.to}`,
          gap: { chain, place: 1, requests: 1, after: chain, before, ...span },
        },
      ],
    ],
  );
  assert.deepEqual((await sut.fetch(`/v1/audit/receipts/${lost}`)).json, {
    id: lost,
    verdict: "gap",
    link: { chain, place: 1 },
  });
});

test("an audit of order keys shows both spans of an inversion, and to each key what it sees", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{}, { queues: ["mails"] }] });
  const [all = {}, limited = {}] = sut.secrets.map((secret) => ({ authorization: `Bearer ${secret}` }));
  const ids: RequestId[] = [];
  for (let count = 0; count < 2; count += 1) {
    ids.push((await sut.accepted("{}", { ...all, "sluice-order": "account-1" })) as RequestId);
    await sut.finish(done("x"));
  }
  const [first, second] = ids as [RequestId, RequestId];
  const db = new DatabaseSync(join(sut.folder, "sluice.db"));
  db.prepare("UPDATE outcomes SET started_at = 1700000000000 WHERE seq = ?").run(seqOf(second));
  db.close();
  const spanOf = async (id: string) => {
    const { startedAt, finishedAt } = (await sut.fetch(`/v1/requests/${id}`, { headers: all })).json;
    return { id, startedAt, finishedAt };
  };
  const mails = { queue: "mails", keys: 0, requests: 0, inversions: 0 };
  const spans = { first: await spanOf(first), second: await spanOf(second) };
  assert.equal(spans.second.startedAt, "2023-11-14T22:13:20.000Z");
  assert.deepEqual((await sut.fetch("/v1/audit/order", { headers: all })).json, {
    holds: false,
    queues: [mails, { queue: "orders", keys: 1, requests: 2, inversions: 1 }],
    inversions: [{ queue: "orders", order: "account-1", ...spans }],
  });
  const seen = (await sut.fetch("/v1/audit/order", { headers: limited })).json;
  assert.deepEqual(seen, { holds: true, queues: [mails], inversions: [] });
});
