// What clients see when the store goes away, over real HTTP: no answer promises more than is known.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { SluiceError } from "../core/errors.ts";
import type { Failure } from "../core/request.ts";

const intake = "/v1/queues/orders/requests";
const batches = "/v1/queues/orders/batches";
const outage = new SluiceError("store-unavailable", "PostgreSQL does not answer");
const unknown = new SluiceError("commit-unknown", "PostgreSQL went away during a commit");

let sut: GatewayUnderTest;
beforeEach(async () => {
  sut = await GatewayUnderTest.open();
});
afterEach(() => sut[Symbol.asyncDispose]());

function post(path: string, headers: readonly string[] = []): string {
  const head = [`POST ${path} HTTP/1.1`, "host: localhost", "content-length: 12", ...headers];
  return `${head.join("\r\n")}\r\n\r\n{"body":{}} \n`;
}

function get(path: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
}

describe("a commit of which nobody knows whether it took", () => {
  beforeEach(() => {
    sut.engine.accept = () => Promise.reject(unknown);
  });

  for (const [what, request] of [
    ["one request", post(intake)],
    ["a batch", post(batches)],
    ["one that waits for its outcome", post(intake, ["prefer: wait=20"])],
  ] as const) {
    test(`ends the connection without an answer: ${what}`, async () => {
      assert.equal(await sut.raw(request), "");
      assert.equal((await sut.fetch("/livez")).status, 200);
    });
  }

  test("takes what else is under way on the same connection along", async () => {
    const { promise: later, resolve } = Promise.withResolvers<void>();
    sut.engine.accept = () => {
      setImmediate(resolve);
      return Promise.reject(unknown);
    };
    sut.engine.audit = () => later.then(() => ({ holds: true, queues: [], hours: [], findings: [] }));
    assert.equal(await sut.raw(get("/v1/audit") + post(intake) + get("/livez")), "");
  });
});

test("a request that is stored gets its receipt although its outcome cannot be read", async () => {
  sut.engine.read = () => Promise.reject(outage);
  const { status, json, headers } = await sut.post(intake, "{}", { prefer: "wait=20" });
  assert.equal(status, 202);
  assert.equal(json.state, "waiting");
  assert.equal(headers.get("preference-applied"), "wait=20");
});

describe("readiness", () => {
  const storeOut: Failure = { code: "store-unavailable", message: "PostgreSQL does not answer" };
  const cacheOut: Failure = { code: "cache-unavailable", message: "Redis does not answer" };

  test("what is out without stopping intake is shown, and nothing is refused", async () => {
    sut.engine.health = () => ({ problems: [], degradations: [cacheOut] });
    const { status, json } = await sut.fetch("/readyz");
    assert.equal(status, 200);
    assert.deepEqual(json, { ready: true, problems: [cacheOut], carriers: null, keys: null });
    assert.equal((await sut.post(intake, "{}")).status, 202);
  });

  test("what stops intake comes first, and intake is refused", async () => {
    sut.engine.health = () => ({ problems: [storeOut], degradations: [cacheOut] });
    const carriers = { hints: "postgres", notices: "redis" } as const;
    Object.assign(sut.engine, { carriers });
    const { status, json } = await sut.fetch("/readyz");
    assert.equal(status, 503);
    assert.deepEqual(json, { ready: false, problems: [storeOut, cacheOut], carriers, keys: null });
    const refused = await sut.post(intake, "{}");
    assert.equal(refused.status, 503);
    assert.equal(refused.json.code, "store-unavailable");
    assert.ok(Number(refused.headers.get("retry-after")) >= 1);
  });
});
