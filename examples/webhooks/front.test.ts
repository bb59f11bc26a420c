// GitHub's own deliveries, signed as GitHub signs them, through the example's front.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "@sluice/client";
import { freePort, startSluice, temporaryFolder } from "@sluice/testing";
import { sign } from "@octokit/webhooks-methods";
import { webhooks, type Webhook } from "./webhooks.ts";

const secret = "It's a Secret to Everybody";
const configFile = fileURLToPath(new URL("sluice.config.ts", import.meta.url));

test("each real delivery is verified, stored once and told by its event; forged ones are not stored", async () => {
  await using folder = await temporaryFolder();
  const port = await freePort();
  await using sluice = await startSluice({
    dataFolder: folder.path,
    configFile,
    args: ["--front", String(port)],
    env: { GITHUB_WEBHOOK_SECRET: secret },
  });
  const client = createClient({ url: sluice.url });
  const deliver = (body: string, headers: Record<string, string>): Promise<Response> =>
    fetch(`http://127.0.0.1:${port}/hooks/github`, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "GitHub-Hookshot/1", ...headers },
      body,
    });
  assert.ok(webhooks.length >= 329);
  const send = async (at: number): Promise<void> => {
    const { event, payload } = webhooks[at] as Webhook;
    const body = JSON.stringify(payload);
    const signature = await sign(secret, body);
    const headers = { "x-github-event": event, "x-github-delivery": randomUUID(), "x-hub-signature-256": signature };
    const response = await deliver(body, headers);
    assert.equal(response.status, 202);
    const { id } = (await response.json()) as { id: string };
    if (at % 50 === 0) {
      const again = await deliver(body, headers);
      const { id: sameId } = (await again.json()) as { id: string };
      assert.deepEqual([again.headers.get("idempotent-replayed"), sameId], ["true", id]);
      const forged = await deliver(`${body.slice(0, -1)} }`, { ...headers, "x-github-delivery": randomUUID() });
      assert.equal(forged.status, 401);
    }
    await client.wait(id);
    assert.equal(((await client.result(id)).json() as { readonly event: string }).event, event);
  };
  const ats = webhooks.keys();
  const sendInTurn = async (): Promise<void> => {
    for (const at of ats) await send(at);
  };
  await Promise.all(Array.from({ length: 8 }, sendInTurn));
  assert.equal((await client.queue("github")).accepted, webhooks.length);
});
