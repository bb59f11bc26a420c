import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { request } from "undici";
import { GatewayUnderTest, type Answer } from "../../test/gateway-under-test.ts";
import { makeApiKey } from "../core/api-key.ts";
import { changeKeyFile } from "./access/key-file.ts";

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

  test("that is not named is refused, before it sends anything and after", async () => {
    for (const origin of ["https://app.example.evil", "http://app.example", "null"]) {
      const authorization = `Bearer ${sut.secrets[0]}`;
      for (const answer of [await ask(origin), await sut.post(intake, "{}", { origin, authorization })]) {
        const { status, headers, json } = answer;
        assert.deepEqual(
          [status, json.code, headers.get("access-control-allow-origin")],
          [403, "origin-refused", null],
        );
        assert.equal(json.detail, `Origin must be this server's own or listed in cors, got "${origin}"`);
        assert.equal(headers.get("vary"), "origin", "a cache keeps the two apart");
      }
    }
  });

  test("that is named calls the API alone", async () => {
    const { status, json } = await sut.fetch("/readyz", { headers: { origin: app } });
    assert.deepEqual([status, json.code], [403, "origin-refused"]);
  });

  test("of any origin may call where that is set", async () => {
    await using open = await GatewayUnderTest.open({ cors: ["*"] });
    const { status, headers } = await open.post(intake, "{}", { origin: "https://anywhere.example" });
    assert.deepEqual([status, headers.get("access-control-allow-origin")], [202, "https://anywhere.example"]);
  });
});

describe("a gateway without keys", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open({ hosts: ["sluice.example"] });
  });
  after(() => sut[Symbol.asyncDispose]());

  async function callAs(host: string, path: string, method: "GET" | "POST"): Promise<[status: number, code: unknown]> {
    const { statusCode, body } = await request(sut.url + path, { method, headers: { host } });
    const text = await body.text();
    return [statusCode, text.startsWith("{") ? JSON.parse(text).code : undefined];
  }

  test("takes calls for its own names alone, on every route", async () => {
    assert.deepEqual(await callAs("sluice.example", intake, "POST"), [202, undefined]);
    assert.deepEqual(await callAs("localhost:8080", "/v1/queues", "GET"), [200, undefined]);
    const gets = ["/v1/queues", "/v1/requests", "/metrics", "/openapi.json", "/livez", "/readyz", "/", "/none"];
    for (const path of gets)
      assert.deepEqual(await callAs("rebound.example", path, "GET"), [421, "host-refused"], path);
    for (const path of [intake, "/v1/queues/orders/pause", "/v1/audit/heal"])
      assert.deepEqual(await callAs("rebound.example", path, "POST"), [421, "host-refused"], path);
    const { json } = await sut.fetch("/v1/queues/orders");
    assert.deepEqual([json.accepted, json.paused], [1, false]);
  });

  test("takes calls for any name once it has keys", async () => {
    const { key } = makeApiKey({
      name: "first",
      scopes: ["read"],
      queues: undefined,
      quota: undefined,
      createdAt: 0,
      expiresAt: undefined,
    });
    await using other = await GatewayUnderTest.open();
    const call = async () => (await request(`${other.url}/livez`, { headers: { host: "rebound.example" } })).statusCode;
    assert.equal(await call(), 421);
    await changeKeyFile(other.keyFile, () => [key]);
    const signal = AbortSignal.timeout(20_000);
    while ((await call()) !== 200) signal.throwIfAborted();
  });
});
