import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { request } from "undici";
import { makeApiKey, type Scope } from "../core/api-key.ts";
import { systemClock } from "../core/clock.ts";
import { changeKeyFile } from "../gateway/access/key-file.ts";
import { openLog } from "../telemetry/log.ts";
import { Meter } from "../telemetry/meter.ts";
import { openMetricsPage } from "./metrics-page.ts";

const counted = { meter: new Meter(), log: openLog({ level: "silent", isPretty: false }), clock: systemClock };

function keyOf(scopes: readonly Scope[], queues?: readonly string[]) {
  return makeApiKey({ name: "page", scopes, queues, quota: undefined, createdAt: 0, expiresAt: undefined });
}

async function statusOf(url: string, headers: Record<string, string> = {}): Promise<number> {
  const { statusCode, body } = await request(url, { headers });
  await body.dump();
  return statusCode;
}

test("without keys it is on the loopback alone, and no other name reaches it there", async () => {
  await using folder = await temporaryFolder();
  const keys = { kind: "file", file: join(folder.path, "keys.json"), isNamed: false } as const;
  for (const host of ["0.0.0.0", "::", "192.0.2.1"])
    await assert.rejects(
      openMetricsPage({ address: { host, port: 0 }, keys }, counted),
      /^SluiceError: --metrics must be on a loopback address while there are no API keys/,
    );
  await using page = await openMetricsPage({ address: { host: "127.0.0.1", port: 0 }, keys }, counted);
  assert.equal(await statusOf(page.url), 200);
  assert.equal(await statusOf(page.url, { host: "rebound.example" }), 421);
  assert.equal(await statusOf(page.url, { origin: "http://localhost:1" }), 403);
});

test("with keys it is for those that may read every queue", async () => {
  await using folder = await temporaryFolder();
  const keys = { kind: "file", file: join(folder.path, "keys.json"), isNamed: false } as const;
  const [reads, sends, limited] = [keyOf(["read"]), keyOf(["send"]), keyOf(["read"], ["orders"])];
  await changeKeyFile(keys.file, () => [reads.key, sends.key, limited.key]);
  await using page = await openMetricsPage({ address: { host: "0.0.0.0", port: 0 }, keys }, counted);
  const url = page.url.replace("0.0.0.0", "127.0.0.1");
  assert.equal(await statusOf(url, { authorization: `Bearer ${reads.secret}` }), 200);
  assert.equal(await statusOf(url), 401);
  for (const { secret } of [sends, limited])
    assert.equal(await statusOf(url, { authorization: `Bearer ${secret}` }), 403);
});
