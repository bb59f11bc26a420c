// Every row of the design's table of bad input that needs no API key, over real HTTP.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertProblem, GatewayUnderTest } from "../../test/gateway-under-test.ts";

const intake = "/v1/queues/orders/requests";
const batches = "/v1/queues/orders/batches";
const unknownId = "01a204f9-70ec-7000-8293-91d0cee829c3";

function chunked(bytes: number): ReadableStream<Uint8Array> {
  let left = bytes;
  return new ReadableStream({
    pull(controller) {
      const size = Math.min(left, 16_384);
      if (size === 0) return controller.close();
      left -= size;
      controller.enqueue(new Uint8Array(size));
    },
  });
}

describe("bad input", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open({ limits: { bodyBytesMax: 1_000, batchBytesMax: 5_000, batchLinesMax: 3 } });
  });
  after(() => sut[Symbol.asyncDispose]());

  for (const path of [
    "/v1/queues/nobody/requests",
    "/v1/queues/nobody/batches",
    "/v1/queues/nobody/replay",
    "/v1/queues/nobody/pause",
    "/v1/queues/nobody/resume",
  ]) {
    test(`an unknown queue is 404: POST ${path}`, async () =>
      assertProblem(await sut.post(path, "{}"), 404, "unknown-queue"));
  }

  test("an unknown queue is 404 when it is read or filtered by", async () => {
    assertProblem(await sut.fetch("/v1/queues/nobody"), 404, "unknown-queue");
    assertProblem(await sut.fetch("/v1/requests?queue=nobody"), 404, "unknown-queue");
  });

  for (const id of [unknownId, "not-an-id", "0", "%20", "x".repeat(90), `${unknownId}0`]) {
    test(`an id that no request has is 404: ${id.slice(0, 40)}`, async () => {
      for (const path of ["", "/result", "/body", "/events"]) {
        assertProblem(await sut.fetch(`/v1/requests/${id}${path}`), 404, "unknown-request");
      }
      assertProblem(await sut.fetch(`/v1/requests/${id}`, { headers: { prefer: "wait=1" } }), 404, "unknown-request");
      assertProblem(await sut.post(`/v1/requests/${id}/replay`), 404, "unknown-request");
      assertProblem(await sut.post(`/v1/requests/${id}/cancel`), 404, "unknown-request");
    });
  }

  for (const path of [
    "/v2",
    "/v1/queues/orders/requests/",
    "/v1/requests/%zz",
    `/v1/requests/${"x".repeat(800)}`,
    "//",
  ]) {
    test(`an unknown route is 404: ${path.slice(0, 40)}`, async () =>
      assertProblem(await sut.fetch(path), 404, "not-found"));
  }

  test("another method is 405 and told which are allowed", async () => {
    const answer = await sut.fetch(intake, { method: "PUT", body: "x" });
    assertProblem(answer, 405, "method-not-allowed");
    assert.equal(answer.headers.get("allow"), "POST");
    assertProblem(await sut.post("/v1/requests", "x"), 405, "method-not-allowed");
  });

  for (const [query, parameter] of [
    ["limit=abc", "limit"],
    ["limit=0", "limit"],
    ["limit=1001", "limit"],
    ["limit=1.5", "limit"],
    ["limit=", "limit"],
    ["limit=Infinity", "limit"],
    ["limit=-Infinity", "limit"],
    ["limit=1e400", "limit"],
    ["limit=1e2", "limit"],
    ["limit=0x10", "limit"],
    ["limit=010", "limit"],
    ["limit=%2B1", "limit"],
    ["limit=%201", "limit"],
    ["limit=NaN", "limit"],
    ["limit=true", "limit"],
    ["limit=null", "limit"],
    ["limit", "limit"],
    ["limit=1&limit=1", "limit"],
    ["limit=1%00", "limit"],
    ["state=unknown", "state"],
    ["state=", "state"],
    ["state=dead&state=dead", "state"],
    ["state=toString", "state"],
    ["cursor=abc", "cursor"],
    ["cursor=", "cursor"],
    ["cursor=AaIE-XDscACCk5HQzugpww%00", "cursor"],
    ["cursor=a&cursor=b", "cursor"],
    ["key=a&key=b", "key"],
    ["key=%00", "key"],
    ["__proto__=1", "__proto__"],
    ["key=", "key"],
    ["key=%C3%A4", "key"],
    ["queue=orders&queue=mails", "queue"],
    ["sort=asc", "sort"],
  ] as const) {
    test(`a query parameter that does not parse is 400 and named: ${query}`, async () => {
      const answer = await sut.fetch(`/v1/requests?${query}`);
      assertProblem(answer, 400, "bad-parameter");
      assert.equal(answer.json.parameter, parameter);
    });
  }

  for (const [method, path] of [
    ["POST", intake],
    ["POST", batches],
    ["POST", "/v1/queues/orders/pause"],
    ["GET", "/v1/queues"],
    ["GET", "/v1/requests"],
    ["GET", `/v1/requests/${unknownId}`],
    ["GET", "/v1/overview/events"],
    ["GET", "/metrics"],
    ["GET", "/openapi.json"],
  ] as const) {
    test(`a parameter or Sluice-* header that a route does not have is 400 and named: ${method} ${path}`, async () => {
      for (const query of ["delay=3s", "Queue=orders", "constructor=1"]) {
        const answer = await sut.fetch(`${path}?${query}`, { method });
        assertProblem(answer, 400, "bad-parameter");
        assert.equal(answer.json.parameter, query.split("=")[0]);
      }
      const answer = await sut.fetch(path, { method, headers: { "sluice-delay": "3s" } });
      assertProblem(answer, 400, "bad-parameter");
      assert.equal(answer.json.parameter, "sluice-delay");
      assert.match(answer.json.detail, /"sluice-delay" is not a header of this route/);
    });
  }

  test("what the attempts of another Sluice bring is no unknown header, and what others bring neither", async () => {
    const brought = { "sluice-request-id": unknownId, "sluice-attempt": "1", "x-request-id": "1", traceparent: "x" };
    assert.equal((await sut.post(intake, "{}", brought)).status, 202);
    assert.equal((await sut.fetch("/v1/queues?", { headers: brought })).status, 200);
    assertProblem(
      await sut.fetch("/v1/queues", { headers: { "sluice-callback": "https://a/" } }),
      400,
      "bad-parameter",
    );
  });

  test("probes and pages take any query", async () => {
    for (const path of ["/", "/livez", "/readyz"]) assert.equal((await sut.fetch(`${path}?utm=1`)).status, 200, path);
  });

  for (const [line, code] of [
    ["{", "bad-batch-line"],
    ["[]", "bad-batch-line"],
    ["null", "bad-batch-line"],
    ["{}", "bad-batch-line"],
    ['{"body":1,"more":2}', "bad-batch-line"],
    ['{"bodyBase64":"?","contentType":"a/b"}', "bad-batch-line"],
    ['{"bodyBase64":"YQ=="}', "bad-batch-line"],
    ['{"key":"\\u0000","body":1}', "bad-key"],
    ['{"key":"ä","body":1}', "bad-key"],
    ['{"bodyBase64":"YQ==","contentType":"*/*"}', "type-not-accepted"],
    ['{"bodyBase64":"YQ==","contentType":""}', "type-not-accepted"],
    ['{"bodyBase64":"YQ==","contentType":"text/plain\\u0000"}', "type-not-accepted"],
    ['{"bodyBase64":"YQ==","contentType":"text/\\u0100"}', "type-not-accepted"],
    ['{"key":7,"body":1}', "bad-key"],
  ] as const) {
    test(`a batch line that does not parse is 400 and named: ${line}`, async () => {
      const answer = await sut.post(batches, `{"key":"not-stored","body":1}\n${line}\n`);
      assertProblem(answer, code === "type-not-accepted" ? 415 : 400, code);
      assert.equal(answer.json.line, 2);
      assert.deepEqual((await sut.fetch("/v1/requests?key=not-stored")).json.requests, []);
    });
  }

  test("an empty batch is 400", async () => {
    assertProblem(await sut.post(batches, ""), 400, "bad-request");
    assertProblem(await sut.post(batches, "\n\r\n"), 400, "bad-request");
  });

  test("a batch with too many lines, too many bytes or a line with too long a body is 413", async () => {
    assertProblem(await sut.post(batches, '{"body":1}\n'.repeat(4)), 413, "batch-too-large");
    assertProblem(await sut.post(batches, "x".repeat(5_001)), 413, "batch-too-large");
    const answer = await sut.post(batches, `{"body":1}\n{"body":"${"x".repeat(999)}"}`);
    assertProblem(answer, 413, "body-too-large");
    assert.equal(answer.json.line, 2);
  });

  for (const key of ['""', "a b", "x".repeat(256), "ä"]) {
    test(`a malformed key is 400: ${key.slice(0, 20)}`, async () => {
      assertProblem(await sut.post(intake, "{}", { "idempotency-key": key }), 400, "bad-key");
    });
  }

  for (const [contentType, what] of [
    ["*/*"],
    ["application/*"],
    ["garbage"],
    [""],
    ["application/json; charset"],
    ["application/json, text/plain"],
    ["application/json\r\ncontent-type: application/json", "two"],
    [`text/${"x".repeat(2_000)}`, "a long one"],
    ["text/\u00e9"],
  ] as const) {
    test(`what is not a media type is 415, and nothing is stored: ${what ?? JSON.stringify(contentType)}`, async () => {
      for (const path of [intake, batches]) {
        const head = `POST ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nidempotency-key: no-type\r\n`;
        const answer = await sut.raw(`${head}content-type: ${contentType}\r\ncontent-length: 1\r\n\r\n1`);
        assert.match(answer, /^HTTP\/1.1 415 [^]*"type-not-accepted"/);
      }
      assert.deepEqual((await sut.fetch("/v1/requests?key=no-type")).json.requests, []);
    });
  }

  test("the same key with another body is 422, in a batch with the line", async () => {
    await sut.post(intake, "1", { "idempotency-key": "k" });
    assertProblem(await sut.post(intake, "2", { "idempotency-key": "k" }), 422, "key-reused");
    const answer = await sut.post(batches, '{"body":1}\n\n{"key":"k","body":2}\n');
    assertProblem(answer, 422, "key-reused");
    assert.equal(answer.json.line, 3);
  });

  test("a body over the limit is 413, by its length or as soon as it is passed", async () => {
    assert.equal((await sut.post(intake, "x".repeat(1_000))).status, 202);
    assertProblem(await sut.post(intake, "x".repeat(1_001)), 413, "body-too-large");
    const stream = { method: "POST", body: chunked(100_000), duplex: "half" } as RequestInit;
    assertProblem(await sut.fetch(intake, stream), 413, "body-too-large");
  });

  test("a body that no route wanted is thrown away, also when the request is refused", async () => {
    for (const path of [
      `/v1/requests/${unknownId}/replay`,
      `/v1/requests/${unknownId}/cancel`,
      "/v1/queues/nobody/pause",
    ]) {
      const stream = { method: "POST", body: chunked(1_000_000), duplex: "half" } as RequestInit;
      assert.equal((await sut.fetch(path, stream)).status, 404);
    }
    assert.equal((await sut.fetch("/livez")).status, 200);
  });

  test("a sender of far too much gets its 413 and is cut off", async () => {
    const head = `POST ${intake} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 104857600\r\n\r\n`;
    const answer = await sut.raw(
      head,
      ..."x"
        .repeat(128)
        .split("")
        .map(() => "x".repeat(65_536)),
    );
    assert.match(answer, /^HTTP\/1.1 413 /);
  });

  test("a content-encoding is 415, and the answer names what is accepted", async () => {
    for (const path of [intake, batches, "/v1/queues/orders/replay"]) {
      const answer = await sut.post(path, "{}", { "content-encoding": "gzip" });
      assertProblem(answer, 415, "encoding-not-accepted");
      assert.equal(answer.headers.get("accept-encoding"), "identity");
    }
    assert.equal((await sut.post(intake, "x", { "content-encoding": "identity" })).status, 202);
  });

  for (const body of ["{", "[]", "null", "7"]) {
    test(`a bulk replay that does not parse is 400: ${body}`, async () => {
      assertProblem(await sut.post("/v1/queues/orders/replay", body), 400, "bad-request");
    });
  }

  for (const [body, parameter] of [
    ['{"limit":0}', "limit"],
    ['{"limit":"7"}', "limit"],
    ['{"limit":1e400}', "limit"],
    ['{"limit":-1e400}', "limit"],
    ['{"limit":1.5}', "limit"],
    ['{"limit":null}', "limit"],
    ['{"dryRun":1}', "dryRun"],
    ['{"error":"\\u0000"}', "error"],
    ['{"error":"\\ud800"}', "error"],
    ['{"error":""}', "error"],
    [`{"error":"${"x".repeat(256)}"}`, "error"],
    ['{"errors":"x"}', "errors"],
    ['{"__proto__":{"limit":1}}', "__proto__"],
  ] as const) {
    test(`a member of a bulk replay that does not parse is 400 and named: ${body.slice(0, 40)}`, async () => {
      const answer = await sut.post("/v1/queues/orders/replay", body);
      assertProblem(answer, 400, "bad-parameter");
      assert.equal(answer.json.parameter, parameter);
    });
  }
});

test("at the backlog's bound intake is 503 with Retry-After and nothing is stored", async () => {
  await using sut = await GatewayUnderTest.open({ backlogMax: 1 });
  assert.equal((await sut.post(intake, "1")).status, 202);
  const one = await sut.post(intake, "2");
  assertProblem(one, 503, "backlog-full");
  assert.ok(Number(one.headers.get("retry-after")) >= 1);
  const batch = await sut.post(batches, '{"body":1}');
  assertProblem(batch, 503, "backlog-full");
  assert.equal((await sut.fetch("/v1/queues/orders")).json.accepted, 1);
});

test("without room on the disk intake is 503 with Retry-After and the server is not ready", async () => {
  await using sut = await GatewayUnderTest.open({ diskFreeMin: Number.MAX_SAFE_INTEGER });
  const answer = await sut.post(intake, "1");
  assertProblem(answer, 503, "disk-full");
  assert.ok(Number(answer.headers.get("retry-after")) >= 1);
  let ready = await sut.fetch("/readyz");
  while (ready.status !== 503) ready = await sut.fetch("/readyz"); // the engine's next look at the disk tells
  assert.equal(ready.json.problems[0].code, "disk-full");
  assert.equal((await sut.fetch("/livez")).status, 200);
});
