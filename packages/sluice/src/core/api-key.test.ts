import assert from "node:assert/strict";
import { test } from "node:test";
import { findApiKey, formatApiKeys, makeApiKey, parseApiKeys, type NewApiKey } from "./api-key.ts";
import { parseQuota } from "./quota.ts";

const options: NewApiKey = {
  name: "shop",
  sender: "shop-ltd",
  scopes: ["send"],
  queues: ["orders"],
  quota: parseQuota("600/m"),
  createdAt: 1,
  expiresAt: 2,
};

test("what is written is read again, and has no key in it", () => {
  const { key, secret } = makeApiKey(options);
  const text = formatApiKeys([key, { ...key, id: "other", queues: undefined, quota: undefined, revokedAt: 3 }]);
  assert.deepEqual(formatApiKeys(parseApiKeys(text)), text);
  assert.deepEqual(parseApiKeys(text)[0], key);
  assert.ok(!text.includes(secret.slice("sluice_".length)));
});

test("a key of an earlier version's file is a sender of its own", () => {
  const { key } = makeApiKey(options);
  const text = formatApiKeys([key]).replace(/ *"sender": "shop-ltd",\n/, "");
  assert.equal(parseApiKeys(text)[0]?.sender, "shop");
});

test("a key is found by all of its characters, and by nothing less", () => {
  const made = [makeApiKey(options), makeApiKey(options), makeApiKey(options)];
  const keys = made.map(({ key }) => key);
  for (const { key, secret } of made) {
    assert.equal(findApiKey(keys, secret), key);
    for (const close of [
      secret.slice(0, -1),
      `${secret}A`,
      secret.toUpperCase(),
      "",
      key.id,
      key.sha256.toString("hex"),
    ])
      assert.equal(findApiKey(keys, close), undefined);
  }
});

test("keys are 256 random bits, each its own", () => {
  const secrets = new Set(Array.from({ length: 100 }, () => makeApiKey(options).secret));
  assert.equal(secrets.size, 100);
  for (const secret of secrets) assert.equal(Buffer.from(secret.slice("sluice_".length), "base64url").length, 32);
});

test("there are a thousand at most", () => {
  const { key } = makeApiKey(options);
  const keys = Array.from({ length: 1_001 }, (_, at) => ({ ...key, id: String(at) }));
  assert.throws(() => formatApiKeys(keys), /there may be 1000 keys/);
});
