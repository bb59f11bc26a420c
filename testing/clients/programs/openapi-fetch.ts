import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./generated/api.ts";

const [baseUrl = "", key = ""] = process.argv.slice(2);
const { GET, POST } = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${key}` } });

async function submit(total: number): Promise<string> {
  const { data, error, response } = await POST("/v1/queues/{queue}/requests", {
    params: { path: { queue: "orders" }, header: { "Idempotency-Key": `order-${total}` } },
    body: { total },
  });
  assert.equal(error, undefined);
  assert.equal(response.status, 202); // 200 would be the result itself
  return (data as components["schemas"]["Receipt"]).id;
}

async function finished(id: string): Promise<components["schemas"]["Request"]> {
  const { data } = await GET("/v1/requests/{id}", { params: { path: { id }, header: { Prefer: "wait=30" } } });
  assert.ok(data);
  return data;
}

const id = await submit(12);
assert.equal((await finished(id)).state, "done");
const result = await GET("/v1/requests/{id}/result", { params: { path: { id } } });
assert.deepEqual(result.data, { total: 12 });

const second = await submit(13);
const request = await finished(second);
assert.equal(request.state, "dead");
const refused = await GET("/v1/requests/{id}/result", { params: { path: { id: second } } });
assert.ok(refused.error);
const code: components["schemas"]["Problem"]["code"] = refused.error.code;
assert.equal(code, "dead");

const replayed = await POST("/v1/requests/{id}/replay", { params: { path: { id: second } } });
assert.equal(replayed.data?.id, second); // its state may have moved on
assert.equal((await finished(second)).state, "done");
const events = await GET("/v1/requests/{id}/events", { params: { path: { id: second } }, parseAs: "text" });
assert.match(String(events.data), /^event: state\n/);

const { data: page } = await GET("/v1/requests", { params: { query: { queue: "orders", state: "done", limit: 10 } } });
assert.equal(page?.requests.length, 2);
