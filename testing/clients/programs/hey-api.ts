import assert from "node:assert/strict";
import { client } from "./generated/client.gen.ts";
import {
  getRequest,
  getResult,
  listRequests,
  replayRequest,
  submitRequest,
  watchRequest,
} from "./generated/sdk.gen.ts";
import type { Receipt, Request as SluiceRequest } from "./generated/types.gen.ts";

const [baseUrl = "", key = ""] = process.argv.slice(2);
client.setConfig({ baseUrl, auth: key });

async function submit(total: number): Promise<string> {
  const { data, error, response } = await submitRequest({
    path: { queue: "orders" },
    headers: { "Idempotency-Key": `order-${total}` },
    body: { total },
  });
  assert.equal(error, undefined);
  assert.equal(response?.status, 202); // 200 would be the result itself
  return (data as Receipt).id;
}

async function finished(id: string): Promise<SluiceRequest> {
  const { data } = await getRequest({ path: { id }, headers: { Prefer: "wait=30" } });
  assert.ok(data);
  return data;
}

const id = await submit(12);
assert.equal((await finished(id)).state, "done");
const result = await getResult({ path: { id } });
assert.deepEqual(result.data, { total: 12 });

const second = await submit(13);
assert.equal((await finished(second)).state, "dead");
const refused = await getResult({ path: { id: second } });
assert.equal(refused.error?.code, "dead");

const replayed = await replayRequest({ path: { id: second } });
assert.equal(replayed.data?.id, second); // its state may have moved on
assert.equal((await finished(second)).state, "done");

const { stream } = await watchRequest({ path: { id: second } });
for await (const event of stream) {
  if (event && "state" in event) assert.equal(event.state, "done");
  break; // the generated client would connect again
}

const { data: page } = await listRequests({ query: { queue: "orders", state: "done", limit: 10 } });
assert.equal(page?.requests.length, 2);
process.exit();
