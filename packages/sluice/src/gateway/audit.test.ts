import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { timeOfId, type RequestId } from "../core/request-id.ts";

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
