import assert from "node:assert/strict";
import { chmod, chown, lstat, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { makeApiKey } from "../../core/api-key.ts";
import { systemClock } from "../../core/clock.ts";
import { temporaryFolder } from "@sluice/testing";
import { done, GatewayUnderTest, type Answer } from "../../../test/gateway-under-test.ts";
import { eventsOf, nextNamed } from "../../../test/seen-events.ts";
import { openLog } from "../../telemetry/log.ts";
import { changeKeyFile, readKeyFile } from "./key-file.ts";
import { KeyRing } from "./key-ring.ts";
import { accessOf } from "./route-access.ts";

const intake = "/v1/queues/orders/requests";
const isRoot = process.getuid?.() === 0;

function bearer(secret: string | undefined): Record<string, string> {
  return { authorization: `Bearer ${secret}` };
}

function get(sut: GatewayUnderTest, path: string, secret: string | undefined): Promise<Answer> {
  return sut.fetch(path, { headers: bearer(secret) });
}

/** The file is looked at again and again: so is its effect. */
async function untilStatus(sut: GatewayUnderTest, secret: string | undefined, status: number): Promise<void> {
  const signal = AbortSignal.timeout(20_000);
  for (;;) {
    signal.throwIfAborted();
    if ((await get(sut, "/v1/queues", secret)).status === status) return;
  }
}

describe("a key", () => {
  test("lets its owner hand in, read and change, however Bearer is written", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{}] });
    const [secret] = sut.secrets;
    const { json } = await sut.post(intake, "{}", { authorization: `bearer  ${secret}` });
    assert.equal((await get(sut, `/v1/requests/${json.id}`, secret)).status, 200);
    assert.equal((await sut.post(`/v1/requests/${json.id}/cancel`, null, bearer(secret))).json.state, "cancelled");
  });

  test("that has expired or was revoked is refused, and told which", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{ expiresAt: 1 }, {}] });
    const expired = await get(sut, "/v1/queues", sut.secrets[0]);
    assert.equal(expired.status, 401);
    assert.equal(expired.json.detail, "this API key has expired");
    assert.match(expired.headers.get("www-authenticate") ?? "", /error="invalid_token"/);
    assert.equal((await get(sut, "/v1/queues", sut.secrets[1])).status, 200);
    await changeKeyFile(sut.keyFile, (keys) => keys.map((key) => ({ ...key, revokedAt: 2 })));
    await untilStatus(sut, sut.secrets[1], 401);
    assert.equal((await get(sut, "/v1/queues", sut.secrets[1])).json.detail, "this API key was revoked");
  });

  test("that is revoked ends the streams that were asked for with it, and no others", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{}, {}] });
    const [kept, revoked] = await Promise.all(
      sut.secrets.map((secret) => fetch(`${sut.url}/v1/overview/events`, { headers: bearer(secret) })),
    );
    assert.ok(kept !== undefined && revoked !== undefined);
    const [events, ending] = [eventsOf(kept), eventsOf(revoked)];
    await nextNamed(ending, "overview");
    await changeKeyFile(sut.keyFile, ([first, second]) =>
      first === undefined || second === undefined ? [] : [first, { ...second, revokedAt: 2 }],
    );
    for await (const event of ending) assert.ok(event); // until it ends
    assert.equal((await get(sut, "/v1/queues", sut.secrets[1])).status, 401);
    for (let seen = 0; seen < 3; seen += 1) await nextNamed(events, "overview");
    await events.return(undefined);
  });

  test("that is revoked ends what waits for an outcome: a read is refused, a sender has its receipt", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{}, {}] });
    const [, secret] = sut.secrets;
    const { json } = await sut.post(intake, "{}", bearer(secret));
    const headers = { ...bearer(secret), prefer: "wait=60" };
    const held = [sut.fetch(`/v1/requests/${json.id}`, { headers }), sut.post(intake, "{}", headers)];
    const events = await fetch(`${sut.url}/v1/requests/${json.id}/events`, { headers: bearer(secret) });
    const counts = async () => (await get(sut, "/v1/queues/orders", sut.secrets[0])).json.counts;
    const signal = AbortSignal.timeout(20_000);
    while ((await counts()).waiting < 2) signal.throwIfAborted();
    await changeKeyFile(sut.keyFile, ([kept, ended]) => (kept && ended ? [kept, { ...ended, revokedAt: 2 }] : []));
    const [read, sent] = await Promise.all(held);
    assert.deepEqual([read?.status, read?.json.detail], [401, "this API key was revoked"]);
    assert.deepEqual([sent?.status, sent?.json.state], [202, "waiting"]);
    assert.match(await events.text(), /waiting/); // to its end
  });

  test("that is revoked while a body arrives stores nothing of it, and replays nothing", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{}, {}] });
    const [kept, secret] = sut.secrets;
    const slow = ["requests", "batches", "replay"].map((verb) => {
      const body = new TransformStream<Uint8Array, Uint8Array>();
      const init = { method: "POST", body: body.readable, duplex: "half", headers: bearer(secret) } as RequestInit;
      return { body: body.writable.getWriter(), answer: sut.fetch(`/v1/queues/orders/${verb}`, init) };
    });
    for (const { body } of slow) await body.write(Buffer.from(" "));
    await changeKeyFile(sut.keyFile, ([first, second]) =>
      first && second ? [first, { ...second, revokedAt: 2 }] : [],
    );
    await untilStatus(sut, secret, 401);
    for (const { body } of slow) {
      await body.write(Buffer.from('{"body":1}'));
      await body.close();
    }
    for (const { answer } of slow) assert.equal((await answer).status, 401);
    assert.equal((await get(sut, "/v1/queues/orders", kept)).json.accepted, 0);
  });

  test("expires while the gateway runs, by the store's clock", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{ expiresAt: 1_000 }] });
    let now = 999;
    const clock = { ...systemClock, now: () => now };
    const log = openLog({ level: "silent", isPretty: false });
    using ring = await KeyRing.open({ source: { file: sut.keyFile }, clock, log });
    const header = `Bearer ${sut.secrets[0]}`;
    assert.equal(ring.find(header).kind, "key");
    now = 1_000;
    assert.deepEqual(ring.find(header), { kind: "refused", reason: "this API key has expired" });
  });

  test("of one queue gets its queue, its requests and its part of the audit", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{}, { queues: ["mails"] }] });
    const [all, limited] = sut.secrets;
    await sut.post(intake, "{}", bearer(all));
    const mail = await sut.post("/v1/queues/mails/requests", "{}", bearer(limited));
    assert.equal(mail.status, 202);
    const names = async (secret: string | undefined) =>
      (await get(sut, "/v1/queues", secret)).json.queues.map(({ name }: { name: string }) => name);
    assert.deepEqual(await names(all), ["mails", "orders"]);
    assert.deepEqual(await names(limited), ["mails"]);
    const page = await get(sut, "/v1/requests", limited);
    assert.deepEqual(
      page.json.requests.map(({ id }: { id: string }) => id),
      [mail.json.id],
    );
    assert.equal((await get(sut, "/v1/requests", all)).json.requests.length, 2);
    const audit = await get(sut, "/v1/audit", limited);
    assert.doesNotMatch(audit.text, /orders/);
    assert.equal(audit.json.holds, true);
    assert.equal(audit.json.queues[0].accepted, 1);
    const filtered = await get(sut, "/v1/requests?queue=orders", limited);
    assert.equal(filtered.status, 404);
    assert.equal(filtered.json.code, "unknown-queue");
    assert.equal((await get(sut, `/v1/requests/${mail.json.id}`, limited)).status, 200);
  });

  test("of some queues pages through the newest of all of them", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{ queues: ["orders", "mails", "gone"] }] });
    const [secret] = sut.secrets;
    const sent: string[] = [];
    for (const queue of ["orders", "mails", "mails", "orders", "mails"])
      sent.unshift((await sut.post(`/v1/queues/${queue}/requests`, "{}", bearer(secret))).json.id);
    const seen: string[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const { json } = await get(sut, `/v1/requests?limit=2${cursor && `&cursor=${cursor}`}`, secret);
      seen.push(...json.requests.map(({ id }: { id: string }) => id));
      cursor = json.nextCursor;
    }
    assert.deepEqual(seen, sent);
  });
});

describe("a sender", () => {
  const senders = ["shop", "shop", "bank"].map((sender) => ({ sender, scopes: ["send"] as const }));

  test("gets nothing of another sender's request by its Idempotency-Key", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [...senders, { sender: "desk", scopes: ["read"] }] });
    const [shop, shopToo, bank, desk] = sut.secrets;
    const send = (secret: string | undefined, body: string, more: Record<string, string> = {}) =>
      sut.post(intake, body, { ...bearer(secret), "idempotency-key": "7", ...more });
    const { json: first } = await send(shop, "{}");
    await sut.finish(done("the shop's own"));
    const wait = { prefer: "wait=1" };
    const foreign = await send(bank, "{}", wait);
    assert.equal(foreign.status, 202);
    assert.equal(foreign.headers.get("idempotent-replayed"), null);
    assert.notEqual(foreign.json.id, first.id);
    const own = await send(shopToo, "{}", wait);
    assert.equal(own.text, "the shop's own");
    assert.equal(own.headers.get("idempotent-replayed"), "true");
    assert.equal((await send(shopToo, "[]")).json.code, "key-reused");
    const { json } = await get(sut, "/v1/requests?key=7", desk);
    assert.deepEqual(
      json.requests.map(({ id, key, sender }: Record<string, string>) => ({ id, key, sender })),
      [
        { id: foreign.json.id, key: "7", sender: "bank" },
        { id: first.id, key: "7", sender: "shop" },
      ],
    );
  });

  test("has keys of its own in batches too", async () => {
    await using sut = await GatewayUnderTest.open({ keys: senders });
    const receipts = await Promise.all(
      sut.secrets.map(async (secret) => {
        const line = '{"key":"7","body":1}';
        return (await sut.post("/v1/queues/orders/batches", line, bearer(secret))).json.receipts[0];
      }),
    );
    const ids = receipts.map(({ id }) => id);
    assert.equal(ids[0], ids[1]);
    assert.notEqual(ids[0], ids[2]);
  });

  test("repeats what was accepted before there were keys, and is not accepted twice", async () => {
    await using sut = await GatewayUnderTest.open();
    const repeated = { "idempotency-key": "7" };
    const { json } = await sut.post(intake, "{}", repeated);
    const { key, secret } = makeApiKey({ ...someKey, name: "first" });
    await changeKeyFile(sut.keyFile, () => [key]);
    await untilStatus(sut, "none", 401);
    const again = await sut.post(intake, "{}", { ...repeated, ...bearer(secret) });
    assert.equal(again.json.id, json.id);
    assert.equal(again.headers.get("idempotent-replayed"), "true");
  });
});

describe("the file of the keys", () => {
  test("closes an open gateway once it is there, and lets a new key in", async () => {
    await using sut = await GatewayUnderTest.open();
    assert.equal((await sut.fetch("/v1/queues")).status, 200);
    const { key, secret } = makeApiKey({ ...someKey, name: "first" });
    await changeKeyFile(sut.keyFile, () => [key]);
    await untilStatus(sut, "none", 401);
    assert.equal((await get(sut, "/v1/queues", secret)).status, 200);
  });

  for (const [what, spoil, mend] of [
    ["breaks", (file: string) => writeFile(file, "{"), undefined],
    ["goes away", (file: string) => rename(file, `${file}.away`), (file: string) => rename(`${file}.away`, file)],
    ["can be read by others", (file: string) => chmod(file, 0o644), (file: string) => chmod(file, 0o600)],
    ["becomes a link to nowhere", (file: string) => rm(file).then(() => symlink("nowhere", file)), rm],
  ] as const) {
    test(`that ${what} lets nobody in until it can be read again, and is told`, async () => {
      await using sut = await GatewayUnderTest.open({ keys: [{}] });
      const text = await readFile(sut.keyFile);
      await spoil(sut.keyFile);
      await untilStatus(sut, sut.secrets[0], 503);
      for (const secret of [sut.secrets[0], "none"]) {
        const { status, json, headers } = await get(sut, "/v1/queues", secret);
        assert.deepEqual([status, json.code], [503, "keys-unreadable"]);
        assert.equal(headers.get("retry-after"), "5");
      }
      assert.equal((await sut.post(intake, "{}", bearer(sut.secrets[0]))).status, 503);
      const ready = await sut.fetch("/readyz");
      assert.deepEqual([ready.status, ready.json.problems[0].code], [503, "keys-unreadable"]);
      assert.equal((await sut.fetch("/livez")).status, 200);
      await mend?.(sut.keyFile);
      if (mend === undefined || mend === rm) await writeFile(sut.keyFile, text, { mode: 0o600 });
      await untilStatus(sut, sut.secrets[0], 200);
      assert.equal((await sut.fetch("/readyz")).status, 200);
    });
  }

  test("that others can read, or that leads nowhere, closes an open gateway", async () => {
    await using sut = await GatewayUnderTest.open();
    await writeFile(sut.keyFile, keyText({}), { mode: 0o644 });
    await untilStatus(sut, undefined, 503);
  });

  test("is its owner's alone, and has no key in it", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{}] });
    assert.equal((await stat(sut.keyFile)).mode & 0o777, 0o600);
    const text = await readFile(sut.keyFile, "utf8");
    assert.ok(!text.includes(String(sut.secrets[0]).slice("sluice_".length)));
  });

  test("is refused while others have access to it, by the mode and with what to do", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{}] });
    for (const mode of [0o640, 0o604, 0o660, 0o622, 0o777]) {
      await chmod(sut.keyFile, mode);
      const message = new RegExp(
        `only its owner may have access to it, and its mode is 0${mode.toString(8)}: chmod 600`,
      );
      await assert.rejects(readKeyFile(sut.keyFile), message);
      await assert.rejects(
        changeKeyFile(sut.keyFile, (keys) => keys),
        message,
      );
    }
  });

  test(
    "keeps its owner, its mode and a link to it when it is changed",
    { skip: !isRoot && "it takes root" },
    async () => {
      await using sut = await GatewayUnderTest.open({ keys: [{}] });
      const link = `${sut.keyFile}.link`;
      await symlink(sut.keyFile, link);
      await chown(sut.keyFile, 1234, 5678);
      await chmod(sut.keyFile, 0o400);
      await changeKeyFile(link, () => []);
      assert.ok((await lstat(link)).isSymbolicLink());
      const { uid, gid, mode } = await stat(sut.keyFile);
      assert.deepEqual([uid, gid, mode & 0o777], [1234, 5678, 0o400]);
      assert.deepEqual((await readKeyFile(link))?.keys, []);
    },
  );

  test(
    "of a group is read where root owns it, as orchestrators mount it",
    { skip: !isRoot && "it takes root" },
    async () => {
      await using sut = await GatewayUnderTest.open({ keys: [{}] });
      await chown(sut.keyFile, 0, 5678);
      await chmod(sut.keyFile, 0o440);
      assert.equal((await readKeyFile(sut.keyFile))?.keys.length, 1);
      await chown(sut.keyFile, 0, 0);
      await assert.rejects(readKeyFile(sut.keyFile), /its mode is 0440/);
    },
  );

  test("that root makes belongs to the owner of its folder", { skip: !isRoot && "it takes root" }, async () => {
    await using folder = await temporaryFolder();
    await chown(folder.path, 1234, 5678);
    await changeKeyFile(join(folder.path, "keys.json"), () => []);
    const { uid, gid } = await stat(join(folder.path, "keys.json"));
    assert.deepEqual([uid, gid], [1234, 5678]);
  });

  test("is changed by one at a time, and a change that fails leaves it as it was", async () => {
    await using sut = await GatewayUnderTest.open({ keys: [{}] });
    const before = await readKeyFile(sut.keyFile);
    await assert.rejects(
      changeKeyFile(sut.keyFile, () => {
        throw new Error("no");
      }),
      /^Error: no$/,
    );
    assert.deepEqual(await readKeyFile(sut.keyFile), before);
    await writeFile(`${sut.keyFile}.new`, "");
    await assert.rejects(
      changeKeyFile(sut.keyFile, () => []),
      /another change of the keys is under way/,
    );
  });

  for (const [what, text] of [
    ["no JSON", "{"],
    ["another version", '{"version":2,"keys":[]}'],
    ["a key without scopes", keyText({ scopes: [] })],
    ["an unknown scope", keyText({ scopes: ["write"] })],
    ["a sender that is none", keyText({ sender: "a b" })],
    ["a hash that is none", keyText({ sha256: "00" })],
    ["queues that are none", keyText({ queues: "orders" })],
    ["a time that is none", keyText({ expiresAt: "soon" })],
  ] as const) {
    test(`with ${what} is refused, by its name`, async () => {
      await using sut = await GatewayUnderTest.open();
      await writeFile(sut.keyFile, text, { mode: 0o600 });
      await assert.rejects(readKeyFile(sut.keyFile), (error: Error) => error.message.includes(sut.keyFile));
    });
  }
});

test("no cache keeps what was read, and no other origin's page may read it", async () => {
  await using sut = await GatewayUnderTest.open({ keys: [{}] });
  const headers = bearer(sut.secrets[0]);
  for (const path of ["/v1/queues", "/v1/requests", "/v1/audit", "/openapi.json"]) {
    const answer = await sut.fetch(path, { headers });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    const foreign = await sut.fetch(path, { headers: { ...headers, origin: "https://elsewhere.example" } });
    assert.equal(foreign.status, 403);
    assert.equal(foreign.headers.get("access-control-allow-origin"), null);
  }
});

test("a route that the table does not know does not start", () => {
  assert.throws(() => accessOf("GET", "/v1/secrets"), /GET \/v1\/secrets is not in the table/);
});

const someKey = {
  name: "test",
  sender: "test",
  scopes: ["send", "read", "admin"],
  queues: undefined,
  quota: undefined,
  createdAt: 0,
  expiresAt: undefined,
} as const;

function keyText(changes: object): string {
  const key = { id: "1", name: "a", sha256: "0".repeat(64), scopes: ["read"], createdAt: "2026-01-01T00:00:00Z" };
  return JSON.stringify({ version: 1, keys: [{ ...key, ...changes }] });
}
