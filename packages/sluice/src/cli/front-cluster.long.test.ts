// The front of a cluster: a gateway that stores what came, and a worker elsewhere that makes the same call to B.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { freePort, startSluiceGateway, startSluiceWorker } from "@sluice/testing";
import { migrate, openClusterUnderTest, sluiceEntry, type ClusterUnderTest } from "../../test/cluster-under-test.ts";

const seen: string[] = [];
const b = createServer((request, response) => {
  void (async () => {
    const { method = "", url = "", headers } = request;
    seen.push(`${method} ${url} ${String(headers["x-thing"])} ${await text(request)}`);
    response.writeHead(url.startsWith("/missing") ? 404 : 201, { "x-b": "1", "content-type": "text/x-b" });
    response.end(url);
  })();
});

let cluster: ClusterUnderTest;
before(async () => {
  await once(b.listen(0, "127.0.0.1"), "listening");
  const { port } = b.address() as AddressInfo;
  const config = `import { defineConfig } from ${sluiceEntry};
export default defineConfig({ queues: { front: { target: "http://127.0.0.1:${port}" } } });`;
  cluster = await openClusterUnderTest({ name: "front", config });
});
after(async () => {
  b.closeAllConnections();
  b.close();
  await cluster[Symbol.asyncDispose]();
});

test("a request of the front is made to B by a worker, and its sender gets B's own response", async () => {
  const { configFile } = cluster;
  const env = await cluster.newEnv();
  await migrate(configFile, env);
  const frontPort = await freePort();
  await using gateway = await startSluiceGateway({ configFile, env, args: ["--front", String(frontPort)] });
  await using _worker = await startSluiceWorker({ configFile, env });
  const front = `http://127.0.0.1:${frontPort}`;
  const headers = { prefer: "wait=30", "x-thing": "1", "idempotency-key": "k" };
  for (const [path, status] of [
    ["/orders/7?a=%20b", 201],
    ["/missing", 404],
  ] as const) {
    const answer = await fetch(front + path, {
      method: "PUT",
      body: "{}",
      headers: { ...headers, "idempotency-key": path },
    });
    assert.deepEqual([answer.status, answer.headers.get("x-b"), await answer.text()], [status, "1", path]);
    const id = answer.headers.get("sluice-request-id") ?? "";
    const shown = (await (await fetch(`${gateway.url}/v1/requests/${id}`)).json()) as Record<string, unknown>;
    assert.deepEqual([shown["method"], shown["path"], shown["state"]], ["PUT", path, status === 201 ? "done" : "dead"]);
    const again = await fetch(front + path, {
      method: "PUT",
      body: "{}",
      headers: { ...headers, "idempotency-key": path },
    });
    assert.deepEqual([again.status, again.headers.get("sluice-request-id")], [status, id]);
  }
  assert.deepEqual(seen, ["PUT /orders/7?a=%20b 1 {}", "PUT /missing 1 {}"]);
  assert.equal(await (await fetch(`${front}/read`)).text(), "/read");
});
