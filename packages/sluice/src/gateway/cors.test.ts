import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { GatewayUnderTest, type Answer } from "../../test/gateway-under-test.ts";

const intake = "/v1/queues/orders/requests";
const app = "https://app.example";

describe("a page of another origin", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open({
      keys: [{ quota: { count: 100, windowSeconds: 3_600, text: "100/h" } }],
      cors: [app],
    });
  });
  after(() => sut[Symbol.asyncDispose]());

  function ask(origin: string, headers: Record<string, string> = {}): Promise<Answer> {
    return sut.fetch(intake, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "POST", ...headers },
    });
  }

  test("that is named may ask beforehand without a key, with the headers that it will send", async () => {
    const { status, headers, text } = await ask(app, {
      "access-control-request-headers": "authorization,idempotency-key",
    });
    assert.deepEqual([status, text], [204, ""]);
    assert.equal(headers.get("access-control-allow-origin"), app);
    assert.match(headers.get("access-control-allow-methods") ?? "", /POST/);
    assert.equal(headers.get("access-control-allow-headers"), "authorization,idempotency-key");
    assert.equal(headers.get("access-control-allow-credentials"), null);
    assert.equal(headers.get("vary"), "origin");
  });

  test("that is named reads answers, receipts and refusals too, and the headers that it needs", async () => {
    const authorization = `Bearer ${sut.secrets[0]}`;
    const receipt = await sut.post(intake, "{}", { origin: app, authorization });
    const seen = await sut.fetch(`/v1/requests/${receipt.json.id}`, { headers: { origin: app, authorization } });
    const refused = await sut.post(intake, "{}", { origin: app });
    assert.deepEqual([receipt.status, seen.status, refused.status], [202, 200, 401]);
    for (const { headers } of [receipt, seen, refused]) {
      assert.equal(headers.get("access-control-allow-origin"), app);
      assert.match(headers.get("access-control-expose-headers") ?? "", /location.*retry-after/);
    }
    assert.match(receipt.headers.get("location") ?? "", /^.v1.requests/);
    assert.match(receipt.headers.get("ratelimit") ?? "", /r=\d+/);
  });

  test("that is not named is answered as if there were no such thing", async () => {
    for (const origin of ["https://app.example.evil", "http://app.example", "null"]) {
      const { status, headers } = await ask(origin);
      assert.deepEqual([status, headers.get("access-control-allow-origin")], [405, null]);
      assert.equal(headers.get("vary"), "origin", "a cache keeps the two apart");
    }
  });

  test("of any origin may call where that is set", async () => {
    await using open = await GatewayUnderTest.open({ cors: ["*"] });
    const { status, headers } = await open.post(intake, "{}", { origin: "https://anywhere.example" });
    assert.deepEqual([status, headers.get("access-control-allow-origin")], [202, "https://anywhere.example"]);
  });
});
