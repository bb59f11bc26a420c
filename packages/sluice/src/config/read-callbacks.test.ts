import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { SluiceError } from "../core/errors.ts";
import type { SluiceConfig } from "./config.ts";
import { refusalOfUrl } from "../outbound/address-rule.ts";
import { readCluster, readUp, type Sources } from "./read-settings.ts";

const secretOf = (text: string): string => `whsec_${Buffer.from(text.padEnd(24, "-")).toString("base64")}`;
const [forAll, next, own] = [secretOf("for all"), secretOf("next"), secretOf("hunter2")];
const target = "http://127.0.0.1:9/";
const url = "https://front.example/told";

function sources(file: SluiceConfig, env: Sources["env"] = {}): Sources {
  return { file, overrides: {}, env };
}

/** Refused as bad configuration, in words that fit and without any secret. */
function refused(read: () => unknown, message: RegExp): void {
  assert.throws(read, (error) => {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, "bad-config");
    assert.match(error.message, message);
    for (const secret of [forAll, next, own]) assert.equal(error.message.includes(secret.slice(6, 20)), false);
    return true;
  });
}

function textsOf(secrets: readonly Uint8Array[] | undefined): readonly string[] | undefined {
  return secrets?.map((secret) => `whsec_${Buffer.from(secret).toString("base64")}`);
}

test("without a secret there are no callbacks, and no queue for them", () => {
  const { queues, callbacks } = readUp(sources({ queues: { orders: { target } } }));
  assert.deepEqual([queues[0]?.callback, callbacks], [undefined, undefined]);
});

test("a queue's own secrets go before the environment's before the file's, and sign for it alone", () => {
  const file = {
    callbacks: { secret: forAll },
    queues: { orders: { target }, audited: { target, callback: { url, secret: [own, next] } } },
  };
  const read = (env: Sources["env"]) => {
    const { queues, callbacks } = readUp(sources(file, env));
    assert.equal(callbacks?.run.kind, "callbacks");
    const { secretsOf } = callbacks.run;
    assert.deepEqual(
      queues.map(({ callback }) => callback?.url),
      [undefined, url],
    );
    return ["orders", "audited", "gone"].map((queue) => textsOf(secretsOf(queue)));
  };
  assert.deepEqual(read({}), [[forAll], [own, next], [forAll]]);
  assert.deepEqual(read({ SLUICE_CALLBACK_SECRET: `${next} ${forAll}` }), [
    [next, forAll],
    [own, next],
    [next, forAll],
  ]);
});

test("the secret may stand in a file", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "secret");
  await writeFile(path, `${forAll}\n${next}\n`);
  const { queues } = readUp(sources({ queues: { orders: { target } } }, { SLUICE_CALLBACK_SECRET_FILE: path }));
  assert.deepEqual(textsOf(queues[0]?.callback?.secrets), [forAll, next]);
});

test("the callbacks' queue has defaults of its own, and is one of those that a cluster needs", () => {
  const env = {
    SLUICE_CALLBACK_SECRET: forAll,
    DATABASE_URL: "postgres://db/x",
    AMQP_URL: "amqp://mq",
    REDIS_URL: "redis://r",
  };
  const file: SluiceConfig = { queues: { orders: { target } }, callbacks: { rate: "10/s", retry: { attempts: 3 } } };
  const { callbacks } = readUp(sources(file, env));
  assert.deepEqual(
    [callbacks?.name, callbacks?.concurrency, callbacks?.timeoutMs, callbacks?.ratePerHour],
    ["sluice-callbacks", 32, 15_000, 36_000],
  );
  assert.deepEqual(callbacks?.retryPolicy, {
    attemptsMax: 3,
    backoffMs: 5_000,
    backoffMaxMs: 43_200_000,
    retryAfterMaxMs: 43_200_000,
    ageMaxMs: 30 * 86_400_000,
  });
  assert.deepEqual(readCluster(sources(file, env)).queues, ["orders", "sluice-callbacks"]);
});

test("a private address may be called back only where callbacks.allow says so, whatever the targets may call", () => {
  const refusalOf = (file: Partial<SluiceConfig>, env: Sources["env"] = {}) => {
    const secrets = { SLUICE_CALLBACK_SECRET: forAll };
    const { queues, callbacks } = readUp(sources({ queues: { orders: { target } }, ...file }, { ...secrets, ...env }));
    assert.equal(callbacks?.run.kind, "callbacks");
    const refusal = queues[0]?.callback?.refusalOf(new URL("http://10.0.0.7/told"))?.message;
    assert.equal(refusalOfUrl(new URL("http://10.0.0.7/told"), callbacks.run.rule)?.message, refusal);
    return refusal;
  };
  for (const allow of [["private"], ["10.0.0.0/8"], ["10.0.0.7"]]) {
    assert.match(refusalOf({ targets: { allow } }) ?? "", /private address.* SLUICE_CALLBACK_ALLOW$/);
    assert.equal(refusalOf({ callbacks: { allow } }), undefined);
    assert.equal(refusalOf({}, { SLUICE_CALLBACK_ALLOW: `b.example, ${allow.join()}` }), undefined);
  }
  const allowed = { callbacks: { allow: ["10.0.0.7"] } };
  assert.match(refusalOf(allowed, { SLUICE_CALLBACK_ALLOW: "10.0.0.8" }) ?? "", /private address/);
  assert.equal(refusalOf(allowed, { SLUICE_CALLBACK_ALLOW: "" }), undefined);
  assert.match(refusalOf({ ...allowed, targets: { hosts: ["127.0.0.1"] } }) ?? "", /targets\.hosts/);
});

test("what is wrong is named with its place and its rule, and no secret is shown", () => {
  const orders = (callback: object, callbacks?: object): SluiceConfig => ({
    queues: { orders: { target, callback } },
    ...(callbacks && { callbacks }),
  });
  const wrong = (file: SluiceConfig, message: RegExp, env?: Sources["env"]): void =>
    refused(() => readUp(sources(file, env)), message);
  wrong(
    orders({ url }),
    /^queues\.orders\.callback needs a secret: its own, callbacks\.secret or SLUICE_CALLBACK_SECRET/,
  );
  wrong(
    orders({ url: "front/told", secret: own }),
    /^queues\.orders\.callback\.url: a callback is an http or https URL/,
  );
  wrong(orders({ url: "http://10.0.0.7/told", secret: own }), /^queues\.orders\.callback\.url: 10\.0\.0\.7 .*allow it/);
  wrong(orders({ url, secret: "hunter2" }), /^queues\.orders\.callback\.secret: a callback's secret is whsec_ and the/);
  wrong(orders({ url, secret: "whsec_c2hvcnQ=" }), /^queues\.orders\.callback\.secret: .*24 to 64 random bytes/);
  wrong(orders({ url, secret: [] }), /^queues\.orders\.callback\.secret is a secret or a list of secrets/);
  wrong(orders({ to: url }), /^queues\.orders\.callback knows the fields url, secret, got "to"/);
  wrong(
    orders({}, { secret: forAll, timeout: "soon" }),
    /^callbacks\.timeout must be a duration from 1ms to 24h, got "soon"$/,
  );
  wrong(orders({}, { secret: forAll, allow: "10.0.0.0/8" }), /^callbacks\.allow must be a list/);
  wrong(orders({}, { secret: forAll, allow: ["10.0.0.0/33"] }), /^callbacks\.allow is written as 10\.0\.0\.0\/8/);
  wrong(orders({}, { secret: forAll, retry: { most: 1 } }), /^callbacks\.retry knows the fields attempts/);
  wrong(
    orders({}, { sign: forAll }),
    /^callbacks knows the fields secret, allow, rate, concurrency, timeout, retry, got "sign"/,
  );
  wrong(orders({}), /^SLUICE_CALLBACK_SECRET: a callback's secret is/, { SLUICE_CALLBACK_SECRET: `${own}!` });
  wrong({ queues: { "sluice-callbacks": { target } } }, /^a queue's name is not that of the callbacks' own queue/);
});
