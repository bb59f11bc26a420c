import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const route = "/v1/queues/orders/batches";

describe("a batch", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open();
  });
  after(() => sut[Symbol.asyncDispose]());

  test("is stored whole, with receipts in the order of its lines", async () => {
    const lines = [
      '{"key":"b1","body":{"n":12345678901234567890}}',
      '{"bodyBase64":"AP8=","contentType":"image/x"}',
      '{"body":null}',
    ];
    const { status, json, headers } = await sut.post(route, `${lines.join("\n\n")}\r\n`);
    assert.equal(status, 202);
    assert.ok(Number(headers.get("retry-after")) >= 1);
    assert.equal(json.receipts.length, 3);
    const bodies = await Promise.all(
      json.receipts.map(({ id }: { id: string }) => fetch(`${sut.url}/v1/requests/${id}/body`)),
    );
    assert.deepEqual(
      bodies.map((body) => body.headers.get("content-type")),
      ["application/json", "image/x", "application/json"],
    );
    assert.equal(await bodies[0].text(), '{"n":12345678901234567890}');
    assert.deepEqual([...(await bodies[1].bytes())], [0, 255]);
    assert.equal(await bodies[2].text(), "null");
    assert.deepEqual(Object.keys(json.receipts[0]), [
      "id",
      "queue",
      "state",
      "acceptedAt",
      "durability",
      "expectedBy",
      "replayed",
    ]);
  });

  test("knows its repeats, inside itself and from before", async () => {
    const { json: before } = await sut.post(route, '{"key":"r1","body":1}');
    const { json } = await sut.post(route, '{"key":"r1","body":1}\n{"key":"r2","body":2}\n{"key":"r2","body":2}');
    const [again, first, second] = json.receipts;
    assert.equal(again.id, before.receipts[0].id);
    assert.equal(second.id, first.id);
    assert.deepEqual([again.replayed, first.replayed, second.replayed], [true, false, true]);
  });

  test("of 10,000 lines is taken", async () => {
    const { status, json } = await sut.post(route, '{"body":{}}\n'.repeat(10_000));
    assert.equal(status, 202);
    assert.equal(new Set(json.receipts.map(({ id }: { id: string }) => id)).size, 10_000);
  });
});
