// Callbacks as their receivers have them: real processes that are killed between outcome and post, a receiver that fails
// first and keeps its own books, and signatures that are checked with the client's `verifyCallback`.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { createClient, verifyCallback, type WireAudit, type WireCallback, type WireQueue } from "@sluice/client";
import { startSluice, temporaryFolder, type Sluice } from "@sluice/testing";
import { runSluice } from "../../test/run-sluice.ts";
import { Receiver, type Post } from "../../test/receiver.ts";

const entry = JSON.stringify(new URL("../index.ts", import.meta.url).href);
const secret = `whsec_${Buffer.from("for all queues, twenty-four").toString("base64")}`;
const newSecret = `whsec_${Buffer.from("what comes after that one").toString("base64")}`;
const ownSecret = `whsec_${Buffer.from("the audited queue's own one").toString("base64")}`;
const callbackQueue = "sluice-callbacks";

const config = (auditUrl: string): string => `
import { defineConfig, Reject } from ${entry};

const handle = (request) => {
  if (request.text() === "bad") throw new Reject("no such customer");
  if (request.text() === "large") return "x".repeat(300_000);
  if (request.text() === "bytes") return Uint8Array.of(255, 15);
  return request.text().startsWith("{") ? request.json() : request.text();
};

export default defineConfig({
  callbacks: { allow: ["127.0.0.1"], timeout: "300ms", retry: { attempts: 6, backoff: "5ms", backoffMax: "20ms" } },
  queues: {
    orders: { handle },
    audited: { handle, callback: { url: ${JSON.stringify(auditUrl)}, secret: ${JSON.stringify(ownSecret)} } },
  },
});
`;

interface Rig extends AsyncDisposable {
  readonly receiver: Receiver;
  /** Starts `sluice up` on the same folder again, after the last one's end. */
  start(env?: Readonly<Record<string, string>>): Promise<Sluice>;
}

/** Where no private address may be called. */
const shut = `
export default {
  callbacks: { retry: { attempts: 2, backoff: "5ms" } },
  queues: { orders: { handle: () => "done" } },
};
`;

async function openRig(configOf: (auditUrl: string) => string = config): Promise<Rig> {
  const [folder, receiver] = await Promise.all([temporaryFolder(), Receiver.open()]);
  const configFile = join(folder.path, "sluice.config.ts");
  await writeFile(configFile, configOf(receiver.url("/audit")));
  const started: Sluice[] = [];
  return {
    receiver,
    async start(env = {}) {
      const sluice = await startSluice({
        dataFolder: join(folder.path, "data"),
        configFile,
        env: { SLUICE_CALLBACK_SECRET: secret, ...env },
      });
      started.push(sluice);
      return sluice;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((one) => one[Symbol.asyncDispose]()));
      await receiver[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function read<T>(url: string): Promise<T> {
  return (await (await fetch(url)).json()) as T;
}

function countsOf({ url }: Sluice, queue: string): Promise<WireQueue> {
  return read<WireQueue>(`${url}/v1/queues/${queue}`);
}

/** Once every callback has its outcome; and the law holds. */
async function settled(sluice: Sluice, expected: Partial<WireQueue["counts"]>): Promise<void> {
  for (;;) {
    const { counts, backlog } = await countsOf(sluice, callbackQueue);
    if (backlog === 0 && counts.done + counts.dead > 0) {
      assert.deepEqual({ done: counts.done, dead: counts.dead }, { done: 0, dead: 0, ...expected });
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 10)); // nothing tells of a queue
  }
  assert.equal((await read<WireAudit>(`${sluice.url}/v1/audit`)).holds, true);
}

function verified({ headers, body }: Post, with_: string | readonly string[] = secret): Promise<WireCallback> {
  return verifyCallback({ headers, body, secret: with_ }).then(({ callback }) => callback);
}

test("each outcome is posted once, signed, with what came of the request", { timeout: 60_000 }, async () => {
  await using rig = await openRig();
  const sluice = await rig.start();
  const client = createClient({ url: sluice.url });
  const outcomes = [
    ["/json", '{"total":12}', { contentType: "application/json", bytes: 12, body: { total: 12 } }],
    ["/text", "twelve", { contentType: "text/plain; charset=utf-8", bytes: 6, text: "twelve" }],
    ["/bytes", "bytes", { contentType: "application/octet-stream", bytes: 2, base64: "/w8=" }],
    ["/large", "large", { contentType: "text/plain; charset=utf-8", bytes: 300_000, path: "/v1/requests/ID/result" }],
    ["/bad", "bad", null],
  ] as const;
  for (const [path, body, result] of outcomes) {
    const { id } = await client.submit("orders", body, { callback: rig.receiver.url(path) });
    const [post] = await rig.receiver.received(path, 1);
    assert.ok(post);
    const { type, timestamp, data } = await verified(post);
    const request = await client.read(id);
    assert.deepEqual(data, { ...request, result: JSON.parse(JSON.stringify(result).replace("ID", id)) as unknown });
    assert.deepEqual([type, timestamp], [`request.${request.state}`, request.finishedAt]);
  }
  await settled(sluice, { done: 5 });
  assert.equal(rig.receiver.posts.length, 5);
});

test("a cancelled request is told of, and one that wants no callback is not", { timeout: 60_000 }, async () => {
  await using rig = await openRig();
  const sluice = await rig.start();
  const client = createClient({ url: sluice.url });
  await client.pause("orders");
  const { id } = await client.submit("orders", "1", { callback: rig.receiver.url("/cancelled") });
  await client.submit("orders", "2");
  await client.cancel(id);
  await client.resume("orders");
  const [post] = await rig.receiver.received("/cancelled", 1);
  assert.ok(post);
  const { type, data } = await verified(post);
  assert.deepEqual([type, data.id, data.result], ["request.cancelled", id, null]);
  await settled(sluice, { done: 1 });
});

test(
  "a receiver that answers 5xx, resets and falls silent gets the same callback until it takes it",
  { timeout: 60_000 },
  async () => {
    await using rig = await openRig();
    const sluice = await rig.start();
    const url = rig.receiver.url("/fails-first", 503, "reset", "silence", 500);
    await createClient({ url: sluice.url }).submit("orders", "1", { callback: url });
    const posts = await rig.receiver.received("/fails-first", 5);
    assert.deepEqual(
      posts.map(({ answer }) => answer),
      [503, "reset", "silence", 500, 204],
    );
    assert.equal(new Set(posts.map(({ id }) => id)).size, 1);
    assert.equal(new Set(posts.map(({ body }) => body)).size, 1);
    for (const post of posts) await verified(post);
    await settled(sluice, { done: 1 });
  },
);

test(
  "410 and a redirect end a callback at once, and a replay posts it again but where 410 said not to",
  { timeout: 60_000 },
  async () => {
    await using rig = await openRig();
    const sluice = await rig.start();
    const client = createClient({ url: sluice.url });
    const urls = [rig.receiver.url("/gone", 410), rig.receiver.url("/moved", 302)];
    for (const callback of urls) await client.submit("orders", "1", { callback });
    await Promise.all([rig.receiver.received("/gone", 1), rig.receiver.received("/moved", 1)]);
    await settled(sluice, { dead: 2 });
    assert.equal(rig.receiver.posts.length, 2);
    const { requests } = await client.list({ queue: callbackQueue, state: "dead" });
    assert.deepEqual(
      new Set(requests.map(({ lastError }) => lastError?.code)),
      new Set(["callback-gone", "target-status"]),
    );
    await client.replayMany(callbackQueue);
    const [first, second] = await rig.receiver.received("/moved", 2);
    assert.equal(first?.id, second?.id);
    await settled(sluice, { done: 1, dead: 1 });
    assert.equal(rig.receiver.posts.length, 3);
  },
);

test(
  "a queue's own URL and secret are used, a request's URL goes before, also in a batch",
  { timeout: 60_000 },
  async () => {
    await using rig = await openRig();
    const sluice = await rig.start();
    const own = rig.receiver.url("/own");
    const ndjson = ['{"key":"a","body":1}', `{"key":"b","callback":${JSON.stringify(own)},"body":2}`].join("\n");
    const answer = await fetch(`${sluice.url}/v1/queues/audited/batches`, { method: "POST", body: ndjson });
    assert.equal(answer.status, 202);
    const [[toQueue], [toOwn]] = await Promise.all([
      rig.receiver.received("/audit", 1),
      rig.receiver.received("/own", 1),
    ]);
    assert.ok(toQueue && toOwn);
    assert.equal((await verified(toQueue, ownSecret)).data.key, "a");
    assert.equal((await verified(toOwn, ownSecret)).data.key, "b");
    await assert.rejects(verified(toQueue, secret), { code: "forged" });
  },
);

test(
  "client and command name a callback, for one request, for a batch and for a line of it",
  { timeout: 60_000 },
  async () => {
    await using rig = await openRig();
    const sluice = await rig.start();
    const told = rig.receiver.url("/told");
    const line = rig.receiver.url("/line");
    const items = [
      { key: "a", body: 1 },
      { key: "b", body: Uint8Array.of(2), callback: line },
    ];
    for await (const _ of createClient({ url: sluice.url }).submitMany("orders", items, { callback: told }));
    const args = ["send", "--queue", "orders", "--callback", told];
    const { exitCode, stderr } = await runSluice({ args: [...args, "--key", "c"], url: sluice.url, input: "3" });
    assert.equal(exitCode, 0, stderr);
    const ndjson = `{"key":"d","body":4}\n{"key":"e","callback":${JSON.stringify(line)},"body":5}`;
    await runSluice({ args: [...args, "--ndjson"], url: sluice.url, input: ndjson });
    const keysOf = async (path: string, count: number): Promise<readonly (string | null)[]> => {
      const posts = await rig.receiver.received(path, count);
      const keys = await Promise.all(posts.map(async (post) => (await verified(post)).data.key));
      return keys.toSorted((a, b) => String(a).localeCompare(String(b)));
    };
    assert.deepEqual(await keysOf("/told", 3), ["a", "c", "d"]);
    assert.deepEqual(await keysOf("/line", 2), ["b", "e"]);
  },
);

test(
  "a name that leads to a private address is never called, and its callback ends dead",
  { timeout: 60_000 },
  async () => {
    await using rig = await openRig(() => shut);
    const sluice = await rig.start();
    const client = createClient({ url: sluice.url });
    const callback = rig.receiver.url("/inside").replace("127.0.0.1", "localhost");
    await client.submit("orders", "1", { callback });
    await settled(sluice, { dead: 1 });
    const [request] = (await client.list({ queue: callbackQueue, state: "dead" })).requests;
    assert.deepEqual([request?.lastError?.code, request?.attempts], ["address-refused", 2]);
    assert.deepEqual(rig.receiver.posts, []);
  },
);

test("while a secret is changed, either verifies", { timeout: 60_000 }, async () => {
  await using rig = await openRig();
  const sluice = await rig.start({ SLUICE_CALLBACK_SECRET: `${newSecret} ${secret}` });
  await createClient({ url: sluice.url }).submit("orders", "1", { callback: rig.receiver.url("/told") });
  const [post] = await rig.receiver.received("/told", 1);
  assert.ok(post);
  await verified(post, secret);
  await verified(post, newSecret);
});

test(
  "a header or line that cannot be a callback is refused, and nothing of it is stored",
  { timeout: 60_000 },
  async () => {
    await using rig = await openRig();
    const sluice = await rig.start();
    const post = async (
      path: string,
      body: string,
      headers: Record<string, string> = {},
    ): Promise<[number, string]> => {
      const answer = await fetch(`${sluice.url}/v1/queues/${path}`, { method: "POST", body, headers });
      return [answer.status, ((await answer.json()) as { code: string }).code];
    };
    for (const url of [
      "",
      "nowhere",
      "ftp://a/b",
      "http://user:pass@a/",
      "http://a/#b",
      `http://a/${"b".repeat(2_048)}`,
    ]) {
      assert.deepEqual(await post("orders/requests", "1", { "sluice-callback": url }), [400, "bad-callback"]);
      assert.deepEqual(await post("orders/batches", '{"body":1}', { "sluice-callback": url }), [400, "bad-callback"]);
      const line = JSON.stringify({ callback: url, body: 1 });
      assert.deepEqual(await post("orders/batches", line), [400, "bad-callback"]);
    }
    for (const url of ["http://10.0.0.1/", "http://169.254.169.254/latest", "http://[::1]/", "http://2130706434/"]) {
      assert.deepEqual(await post("orders/requests", "1", { "sluice-callback": url }), [400, "bad-callback"]);
    }
    assert.deepEqual(await post("orders/batches", '{"callback":7,"body":1}'), [400, "bad-callback"]);
    // Whoever could send here would have Sluice sign whatever he likes, and post it anywhere.
    const headers = { "sluice-callback-url": rig.receiver.url("/forged") };
    for (const [route, body] of [
      ["requests", "{}"],
      ["batches", '{"body":{}}'],
    ] as const) {
      assert.deepEqual(await post(`${callbackQueue}/${route}`, body), [404, "unknown-queue"]);
      assert.deepEqual(await post(`${callbackQueue}/${route}`, body, headers), [400, "bad-parameter"]);
    }
    assert.equal((await countsOf(sluice, "orders")).accepted, 0);
    assert.equal((await countsOf(sluice, callbackQueue)).accepted, 0);
  },
);

test("without a secret a request that names a URL is refused", { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  await using sluice = await startSluice({
    dataFolder: join(folder.path, "data"),
    args: ["--queue", "orders", "--target", "http://127.0.0.1:9/"],
    env: { SLUICE_CALLBACK_SECRET: undefined },
  });
  const submit = createClient({ url: sluice.url }).submit("orders", "1", { callback: "http://127.0.0.1:9/" });
  await assert.rejects(submit, { status: 400, code: "callbacks-off" });
});

const kills = {
  "the outcome is committed and no callback made": { at: "outcome-committed", posts: 1 },
  "the callback is accepted and the outcome not noted as told": { at: "callback-accepted", posts: 1 },
  "the callback is claimed and not posted": { at: "effect-pending:2", posts: 1 },
  "the callback is posted and its own outcome not committed": { at: "effect-made:2", posts: 2 },
  "the callback's own outcome is committed": { at: "outcome-committed:2", posts: 1 },
} as const;
for (const [when, { at, posts: count }] of Object.entries(kills)) {
  test(`killed when ${when}, it posts the one callback all the same`, { timeout: 60_000 }, async () => {
    await using rig = await openRig();
    const doomed = await rig.start({ SLUICE_CRASH_AT: at });
    const callback = rig.receiver.url("/told");
    const { id } = await createClient({ url: doomed.url }).submit("orders", "1", { callback });
    assert.equal((await doomed.exited).signal, "SIGKILL");
    const sluice = await rig.start();
    const posts = await rig.receiver.received("/told", count);
    // Once a later one is told of, the relay has been past the first one.
    await createClient({ url: sluice.url }).submit("orders", "2", { callback: rig.receiver.url("/after") });
    await rig.receiver.received("/after", 1);
    await settled(sluice, { done: 2 });
    assert.equal(rig.receiver.postsTo("/told").length, count);
    assert.equal(new Set(posts.map((post) => post.id)).size, 1);
    for (const post of posts) assert.equal((await verified(post)).data.id, id);
    assert.equal((await countsOf(sluice, callbackQueue)).accepted, 2);
  });
}
