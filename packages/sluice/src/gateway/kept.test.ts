// Headers that a sender of the API names to be kept, and what is kept of a target's response.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertProblem, dead, GatewayUnderTest } from "../../test/gateway-under-test.ts";

let gateway: GatewayUnderTest;
before(async () => {
  gateway = await GatewayUnderTest.open();
});
after(() => gateway[Symbol.asyncDispose]());

test("Sluice-Forward-NAME keeps a header for the handler or target, and the API shows it", async () => {
  const id = await gateway.accepted("{}", { "sluice-forward-x-tenant": "a", "x-other": "b", "ce-id": "1" });
  const { json } = await gateway.fetch(`/v1/requests/${id}`);
  assert.deepEqual(json.headers, { "x-tenant": "a", "ce-id": "1" });
  assert.deepEqual([json.method, json.path], [null, null]);
  const { request } = await gateway.deliver();
  assert.deepEqual({ ...request.headers }, { "x-tenant": "a", "ce-id": "1" });
});

test("a line of a batch has its own", async () => {
  const lines = [{ body: 1, headers: { "X-Tenant": "a" } }, { body: 2 }].map((line) => JSON.stringify(line)).join("\n");
  const { json } = await gateway.post("/v1/queues/orders/batches", lines, { "content-type": "application/x-ndjson" });
  const shown = await Promise.all(
    json.receipts.map(async ({ id }: { id: string }) => (await gateway.fetch(`/v1/requests/${id}`)).json.headers),
  );
  assert.deepEqual(shown, [{ "x-tenant": "a" }, null]);
  await gateway.deliver();
  await gateway.deliver();
});

test("a header that is not the sender's to keep is refused, by name, and nothing is stored", async () => {
  const before = (await gateway.engine.list({ limit: 100 })).length;
  for (const name of ["host", "connection", "idempotency-key", "sluice-attempt", "content-length", "__proto__"])
    assertProblem(
      await gateway.post("/v1/queues/orders/requests", "{}", { [`sluice-forward-${name}`]: "x" }),
      400,
      "bad-parameter",
    );
  const line = async (headers: unknown) => {
    const answer = await gateway.post("/v1/queues/orders/batches", `{"body":1,"headers":${JSON.stringify(headers)}}`);
    assertProblem(answer, 400, "bad-batch-line");
    assert.equal(answer.json.line, 1);
  };
  const large = { "x-a": "x".repeat(16_384) };
  for (const headers of [
    { host: "x" },
    { "x y": "1" },
    { "x-a": 1 },
    ["x"],
    "x",
    null,
    { "x-a": "\u20ac" },
    { "x-a": "\n" },
    large,
  ])
    await line(headers);
  assert.equal((await gateway.engine.list({ limit: 100 })).length, before);
});

test("a result has the headers and the status of its response, but for what would speak for this origin", async () => {
  const id = await gateway.accepted();
  const headers = {
    etag: '"1"',
    "x-tags": ["a", "b"],
    "set-cookie": ["s=1"],
    "access-control-allow-origin": "*",
    "content-security-policy": "none",
    "content-encoding": "gzip",
    "x-bad": "a\nb",
  };
  const result = { contentType: "text/plain", bytes: Buffer.from("made"), status: 201, headers };
  await gateway.finish({ kind: "done", result });
  const answer = await gateway.fetch(`/v1/requests/${id}/result`);
  assert.deepEqual([answer.status, answer.text], [200, "made"]);
  assert.equal(answer.headers.get("sluice-target-status"), "201");
  assert.deepEqual([answer.headers.get("etag"), answer.headers.get("x-tags")], ['"1"', "a, b"]);
  for (const name of ["set-cookie", "access-control-allow-origin", "content-encoding", "x-bad"])
    assert.equal(answer.headers.get(name), null, name);
  assert.equal(answer.headers.get("content-security-policy"), "sandbox");
});

test("a dead request has no result, though the response that refused it is kept", async () => {
  const id = await gateway.accepted();
  const response = { contentType: "text/plain", bytes: Buffer.from("no"), status: 404, headers: {} };
  await gateway.finish({ ...dead, response } as never);
  assertProblem(await gateway.fetch(`/v1/requests/${id}/result`), 409, "dead");
});
