import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { callbackOriginHeader, callbackUrlHeader } from "../core/callback.ts";
import { systemClock } from "../core/clock.ts";
import type { RequestId } from "../core/request-id.ts";
import type { Delivery } from "../core/request.ts";
import { parseWebhookSecret } from "../core/webhook-signature.ts";
import { addressRule } from "../outbound/address-rule.ts";
import { openLog } from "../telemetry/log.ts";
import { callbackRunner } from "./callback-runner.ts";
import type { AttemptEnd } from "./runner.ts";

const secret = parseWebhookSecret(`whsec_${Buffer.from("for all queues, twenty-four").toString("base64")}`);
const id = "01a204f9-70ec-7000-8293-91d0cee829c3" as RequestId;

function deliveryTo(url: string): Delivery {
  const headers = { [callbackOriginHeader]: "orders", [callbackUrlHeader]: url };
  const body = Buffer.from("{}");
  const request = { queue: "c", key: undefined, contentType: "application/json", headers, body, id, acceptedAt: 0 };
  return { request, claim: { id, queue: "c", token: 1 }, attempt: 1, isAgain: false };
}

async function post(url: string, allow: readonly string[]): Promise<AttemptEnd> {
  const runner = callbackRunner({
    secretsOf: () => [secret],
    rule: addressRule({ allow }),
    concurrency: 1,
    answerBytesMax: 1_000,
    timeoutMs: 10_000,
    retryAfterMaxMs: 1_000,
    clock: systemClock,
    random: Math.random,
    log: openLog({ level: "silent", isPretty: false }),
  });
  try {
    return await runner.run(deliveryTo(url), { signal: AbortSignal.timeout(10_000), progress: () => {} });
  } finally {
    await runner.close();
  }
}

test("whoever names a URL inside is refused, unless the operator allows it", async () => {
  let posts = 0;
  const server = createServer((_request, response) => {
    posts += 1;
    response.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  for (const url of [`http://127.0.0.1:${port}/`, `http://localhost:${port}/`, "http://169.254.169.254/latest/"]) {
    const end = await post(url, []);
    assert.equal(end.kind === "failed" && end.failure.code, "address-refused", url);
  }
  assert.equal(posts, 0);
  assert.equal((await post(`http://127.0.0.1:${port}/`, ["127.0.0.0/8"])).kind, "done");
  assert.equal(posts, 1);
  server.close();
});
