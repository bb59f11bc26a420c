// API keys as a user has them: made by the command, shown by the command, enforced by the server, revoked while it runs.
import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { freePort, startSluice, temporaryFolder } from "@sluice/testing";
import { runSluice } from "../../test/run-sluice.ts";
import { makeApiKey } from "../core/api-key.ts";
import { changeKeyFile } from "../gateway/access/key-file.ts";

const plainKey = { scopes: ["read"], queues: undefined, quota: undefined, createdAt: 0, expiresAt: undefined } as const;
const queue = ["--queue", "orders", "--target", "http://127.0.0.1:9/"];

test("a key is made, shown once, used, listed without itself, and revoked without a restart", async () => {
  await using folder = await temporaryFolder();
  const dataFolder = join(folder.path, "data");
  const keys = (...args: string[]) => runSluice({ args: ["keys", ...args, "--data", dataFolder] });

  const made = await keys("create", "--name", "shop", "--queue", "orders", "--rate", "100000/h", "--expires", "90d");
  assert.equal(made.exitCode, 0, made.stderr);
  const secret = made.stdout.trim();
  assert.match(secret, /^sluice_[A-Za-z0-9_-]{43}$/);
  assert.ok(!made.stderr.includes(secret));

  await using server = await startSluice({ dataFolder, args: [...queue, "--log-level", "debug"] });
  const sluice = (args: readonly string[], apiKey: string, input?: string) =>
    runSluice({ args, url: server.url, env: { SLUICE_API_KEY: apiKey }, ...(input !== undefined && { input }) });
  const sent = await sluice(["send", "-q", "orders"], secret, "{}");
  assert.equal(sent.exitCode, 0, sent.stderr);
  assert.equal((await sluice(["get", sent.stdout.trim()], secret)).exitCode, 0);

  const stranger = await sluice(["queues"], "");
  assert.equal(stranger.exitCode, 1);
  assert.match(stranger.stderr, /an API key is needed: send it as Authorization: Bearer KEY \(unauthorized\)/);
  assert.match((await sluice(["queues"], `${secret}0`)).stderr, /this API key is not known/);
  const noAdmin = await sluice(["dead", "replay", "-q", "orders"], secret);
  assert.match(noAdmin.stderr, /this needs the scope admin; the key has send, read \(forbidden\)/);

  assert.equal((await keys("create", "--name", "next", "--sender", "shop")).exitCode, 0);
  const list = await keys("list");
  assert.match(list.stdout, /^next +\S+ +shop +valid/m);
  assert.match(list.stdout, /^shop +[0-9a-f]{12} +shop +valid +send,read +orders +100000\/h +\S+Z +\S+Z$/m);
  assert.ok(!list.stdout.includes(secret));

  const revoked = await keys("revoke", "shop");
  assert.equal(revoked.stdout, "revoked shop\n", revoked.stderr);
  assert.ok(revoked.stderr.startsWith(`The gateway at ${server.url} refuses the key from now on.`), revoked.stderr);
  assert.match((await sluice(["queues"], secret)).stderr, /this API key was revoked/);
  assert.match((await keys("list")).stdout, /^shop +\S+ +shop +revoked /m);

  const text = secret.slice("sluice_".length);
  assert.ok(!server.output().includes(text), "the log has the key in it");
  assert.ok(!(await readFile(join(dataFolder, "keys.json"), "utf8")).includes(text), "the file has the key in it");
});

test("a key that could not be printed is removed again, and its name is free", async () => {
  await using folder = await temporaryFolder();
  const keys = ["--keys", join(folder.path, "keys.json")];
  for (const [stdout, args] of [
    ["closed", []],
    ["full", ["--json"]],
  ] as const) {
    const ended = await runSluice({ args: ["keys", "create", "--name", "a", ...keys, ...args], stdout });
    assert.equal(ended.exitCode, 75, ended.stderr);
    assert.match(ended.stderr, /the key a could not be printed \(.+\), and is removed again/);
    assert.match((await runSluice({ args: ["keys", "list", ...keys] })).stdout, /^There are no keys in/);
  }
});

test("revoking waits for the gateway, and says what nobody confirmed", async () => {
  await using folder = await temporaryFolder();
  const dataFolder = join(folder.path, "data");
  const keys = (...args: string[]) => runSluice({ args: ["keys", ...args, "--data", dataFolder] });
  const made = ["a", "b", "c", "d"].map((name) => makeApiKey({ ...plainKey, name }).key);
  await changeKeyFile(join(dataFolder, "keys.json"), () => made);
  const alone = await keys("revoke", "a");
  assert.equal(alone.exitCode, 0);
  assert.match(
    alone.stderr,
    /^No gateway has confirmed it \(no gateway is known here\)\..*until then the key works\.$/m,
  );
  const url = `http://127.0.0.1:${await freePort()}`;
  const nobody = await keys("revoke", "b", "--url", url);
  assert.equal(nobody.exitCode, 75);
  assert.match(
    nobody.stderr,
    /b is revoked in \S+, but no gateway has confirmed it.*it cannot be asked: .*ECONNREFUSED/,
  );
  assert.equal(nobody.stdout, "");
  {
    await using server = await startSluice({ dataFolder, args: queue });
    const asked = await keys("revoke", "c", "--url", server.url, "--json");
    assert.equal(JSON.parse(asked.stdout).confirmedBy, server.url);
  }
  const killed = await keys("revoke", "d"); // it left its address behind
  assert.equal(killed.exitCode, 0);
  assert.match(killed.stderr, /^No gateway has confirmed it \(it cannot be asked: /m);
});

test("a gateway on a restored folder does not open without the keys", async () => {
  await using folder = await temporaryFolder();
  const keys = ["--data", folder.path];
  assert.equal((await runSluice({ args: ["keys", "create", "--name", "a", ...keys] })).exitCode, 0);
  {
    await using server = await startSluice({ dataFolder: folder.path, args: queue });
    server.kill("SIGTERM");
    await server.exited;
  }
  await rm(join(folder.path, "keys.json"));
  const refused = await runSluice({ args: ["up", ...keys, ...queue, "--port", "0"] });
  assert.equal(refused.exitCode, 78);
  assert.match(refused.stderr, /the store was served with API keys, and \S+ is not there.*--without-keys/);
  await using server = await startSluice({ dataFolder: folder.path, args: [...queue, "--without-keys"] });
  assert.equal((await fetch(`${server.url}/v1/queues`)).status, 200);
});

test("wrong orders are refused, and change nothing", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "keys.json");
  const keys = (...args: string[]) => runSluice({ args: ["keys", ...args], env: { SLUICE_KEYS_FILE: file } });
  const refused = async (args: readonly string[], exitCode: number, message: RegExp): Promise<void> => {
    const ended = await keys(...args);
    assert.equal(ended.exitCode, exitCode, ended.stderr);
    assert.match(ended.stderr, message);
    assert.equal(ended.stdout, "");
  };
  await refused(["create"], 64, /--name/);
  await refused(["create", "--name", "a", "--scope", "write"], 64, /Expected of send, read, admin, got "write"/);
  await refused(["create", "--name", "a", "--rate", "0/h"], 64, /expected a rate/);
  await refused(["create", "--name", "a", "--sender", "a b"], 78, /the sender of key a is named as keys are/);
  await refused(["create", "--name", "a b"], 78, /a key's name is 1 to 63 letters/);
  await refused(["revoke", "a"], 1, /no key that could be revoked has the name or id a/);
  assert.equal((await keys("list")).stdout, `There are no keys in ${file}.\n`);

  const first = await keys("create", "--name", "a", "--scope", "admin", "--json");
  const { id, key, scopes } = JSON.parse(first.stdout);
  assert.deepEqual([scopes, key.startsWith("sluice_")], [["admin"], true]);
  await refused(["create", "--name", "a"], 1, new RegExp(`there is a valid key a already: its id is ${id}`));
  assert.equal((await keys("revoke", id)).exitCode, 0);
  assert.equal((await keys("create", "--name", "a")).exitCode, 0, "a revoked key's name is free");
});

test("a gateway that others can reach does not start without keys, and says how to make one", async () => {
  await using folder = await temporaryFolder();
  const up = ["up", "--data", folder.path, "--host", "0.0.0.0", ...queue];
  const ended = await runSluice({ args: up });
  assert.equal(ended.exitCode, 78);
  assert.match(ended.stderr, /loopback address while there are no API keys; make one with sluice keys create/);
});
