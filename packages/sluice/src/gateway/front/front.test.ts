// The front as senders meet it: real HTTP in front of the real engine, with the worker that calls a real B where it takes one.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { startRawTarget } from "@sluice/testing";
import { GatewayUnderTest, type TestOptions } from "../../../test/gateway-under-test.ts";
import { workerOf } from "../../cli/worker-of.ts";
import type { FrontConfig, FrontRouteConfig, QueueConfig } from "../../config/config.ts";
import {
  apiKey,
  basic,
  github,
  gitlab,
  header,
  json,
  meta,
  query,
  slack,
  sluiceKeys,
} from "../../config/front-values.ts";
import { readUp } from "../../config/read-settings.ts";
import { workedQueue } from "../../config/read-queue.ts";
import { SluiceError } from "../../core/errors.ts";
import { parseQuota } from "../../core/quota.ts";
import { openLog } from "../../telemetry/log.ts";
import { Meter } from "../../telemetry/meter.ts";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let b: Server;
let bUrl: string;
let seen: Seen[] = [];
before(async () => {
  b = createServer((request, response) => {
    void (async () => {
      const body = await text(request);
      const { method = "", url = "", headers } = request;
      seen.push({ method, url, headers, body });
      const status = Number(/status=(\d+)/.exec(url)?.[1] ?? 201);
      response.writeHead(status, { "content-type": "text/x-b", "x-b": "1", "set-cookie": ["a=1", "b=2"] });
      response.end(`${method} ${url} ${body}`);
    })();
  });
  await once(b.listen(0, "127.0.0.1"), "listening");
  bUrl = `http://127.0.0.1:${(b.address() as AddressInfo).port}`;
});
after(() => {
  b.closeAllConnections();
  b.close();
});

interface Rig extends AsyncDisposable {
  readonly url: string;
  readonly under: GatewayUnderTest;
  send(path: string, init?: RequestInit): Promise<{ status: number; headers: Headers; body: string }>;
  accepted(): Promise<number>;
}

interface Opening extends TestOptions {
  readonly front?: Partial<FrontConfig>;
  readonly orders?: QueueConfig;
  /** Whether a worker runs what is accepted. */
  readonly works?: boolean;
}

async function open(
  routes: Readonly<Record<string, FrontRouteConfig>>,
  { front, orders, works = false, ...options }: Opening = {},
): Promise<Rig> {
  const queues = { orders: orders ?? { target: bUrl }, mails: { handle: () => ({}) } };
  const file = { queues, front: { port: 0, routes, ...front } };
  const settings = readUp({ file, overrides: {}, env: {} });
  const under = await GatewayUnderTest.open(options);
  seen = [];
  assert.ok(settings.front !== undefined);
  const opened = await under.gateway.listenForFront(settings.front).catch(async (error: unknown) => {
    await under[Symbol.asyncDispose]();
    throw error;
  });
  const log = openLog({ level: "silent", isPretty: false });
  const queue = workedQueue(settings.queues[0] as never);
  const worker = works ? workerOf(queue, { engine: under.engine, log, meter: new Meter() }) : undefined;
  return {
    url: opened.url,
    under,
    async send(path, init = {}) {
      const response = await fetch(`${opened.url}${path}`, { method: "POST", body: "{}", ...init });
      return { status: response.status, headers: response.headers, body: await response.text() };
    },
    async accepted() {
      const all = await under.engine.backlog();
      return all.reduce((sum, { accepted }) => sum + accepted, 0);
    },
    async [Symbol.asyncDispose]() {
      await worker?.drain({ graceMs: 1_000 });
      await under[Symbol.asyncDispose]();
    },
  };
}

const every = { "/*": { queue: "orders" } } as const;

describe("a request of the front", () => {
  test("keeps its method, path, query, headers and body, and B gets the same call", async () => {
    await using rig = await open(every, { works: true });
    const { status, body } = await rig.send("/a%2Fb/c?d=%20e&f", {
      method: "PATCH",
      headers: { "x-thing": "1", "content-type": "text/x-mine", authorization: "Bearer secret", cookie: "s=1" },
      body: "hello",
    });
    assert.equal(status, 202);
    const { id, queue } = JSON.parse(body) as { id: string; queue: string };
    assert.equal(queue, "orders");
    const shown = await rig.under.fetch(`/v1/requests/${id}?`, { headers: { prefer: "wait=10" } });
    assert.equal(shown.json.state, "done");
    assert.deepEqual([shown.json.method, shown.json.path], ["PATCH", "/a%2Fb/c?d=%20e&f"]);
    assert.equal(shown.json.headers["x-thing"], "1");
    assert.deepEqual([shown.json.headers.authorization, shown.json.headers.cookie], [undefined, undefined]);
    const [call] = seen;
    assert.deepEqual([call?.method, call?.url, call?.body], ["PATCH", "/a%2Fb/c?d=%20e&f", "hello"]);
    assert.deepEqual([call?.headers["x-thing"], call?.headers["content-type"]], ["1", "text/x-mine"]);
    assert.equal(call?.headers["x-forwarded-for"], "127.0.0.1");
    assert.equal(call?.headers["idempotency-key"], id);
  });

  test("tells B its sender's own host and way, on one connection and with what the sender claims", async () => {
    await using rig = await open(every, { works: true });
    const { port } = new URL(rig.url);
    const socket = connect(Number(port), "127.0.0.1");
    const answers = text(socket);
    const heads = [
      "host: a",
      "host: b\r\nx-forwarded-for: 6.6.6.6",
      "host: b\r\nvia: 1.0 other",
      "host: b\r\nconnection: close",
    ];
    for (const [at, head] of heads.entries())
      socket.write(`PUT /${at} HTTP/1.1\r\n${head}\r\nprefer: wait=10\r\ncontent-length: 0\r\n\r\n`);
    await answers;
    const told = seen.toSorted((one, two) => one.url.localeCompare(two.url)).map(({ headers }) => headers);
    assert.deepEqual(
      told.map((headers) => headers["x-forwarded-host"]),
      ["a", "b", "b", "b"],
    );
    assert.deepEqual(
      told.map((headers) => headers["x-forwarded-for"]),
      Array(4).fill("127.0.0.1"),
    );
    assert.deepEqual(
      told.map(({ via }) => via),
      ["1.1 sluice", "1.1 sluice", "1.0 other, 1.1 sluice", "1.1 sluice"],
    );
  });

  test("without a body and a type has none for B either", async () => {
    await using rig = await open(every, { works: true });
    await rig.send("/x", { method: "DELETE", body: null, headers: { prefer: "wait=10" } });
    assert.deepEqual([seen[0]?.method, seen[0]?.headers["content-type"]], ["DELETE", undefined]);
  });

  for (const [prefer, status] of [
    ["wait=10", 201],
    ["wait=10", 404],
    ["wait=10", 200],
  ] as const)
    test(`that waits gets B's own ${status}, and its outcome is read by id later`, async () => {
      await using rig = await open(every, { works: true });
      const answer = await rig.send(`/x?status=${status}`, { headers: { prefer } });
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get("x-b"), "1");
      assert.equal(answer.headers.get("content-type"), "text/x-b");
      assert.deepEqual(answer.headers.getSetCookie(), ["a=1", "b=2"]);
      assert.equal(answer.body, `POST /x?status=${status} {}`);
      const id = answer.headers.get("sluice-request-id") ?? "";
      const shown = await rig.under.fetch(`/v1/requests/${id}`);
      assert.equal(shown.json.state, status === 404 ? "dead" : "done");
    });

  for (const status of [204, 304])
    test(`that waits gets B's ${status} without a type and a length that B did not name`, async () => {
      await using bare = await startRawTarget((socket) => socket.write(`HTTP/1.1 ${status} X\r\netag: "a"\r\n\r\n`));
      await using rig = await open(every, { works: true, orders: { target: bare.url.href } });
      const answer = await rig.send("/x", { headers: { prefer: "wait=10" } });
      const { headers } = answer;
      assert.deepEqual([answer.status, headers.get("etag"), answer.body], [status, '"a"', ""]);
      assert.deepEqual([headers.get("content-type"), headers.get("content-length")], [null, null]);
    });

  test("that waits learns of a failure for good that it is one, and not what it says of the inside", async () => {
    const orders = { retry: { attempts: 1 }, handle: () => Promise.reject(new Error("no database at db.internal")) };
    await using rig = await open(every, { works: true, orders });
    const answer = await rig.send("/x", { headers: { prefer: "wait=10" } });
    const { code, detail } = JSON.parse(answer.body) as { code: string; detail: string };
    assert.deepEqual([answer.status, code], [502, "dead"]);
    assert.match(detail, /is dead: handler/);
    assert.doesNotMatch(answer.body, /db\.internal/);
    const shown = await rig.under.fetch(`/v1/requests/${answer.headers.get("sluice-request-id")}`);
    assert.match(shown.json.lastError.message, /db\.internal/);
  });

  test("that waits gets the receipt where there is no room for B's response", async () => {
    const bytes = 8 * 1024 * 1024;
    await using large = await startRawTarget((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes}\r\n\r\n`);
      socket.write(Buffer.alloc(bytes, "a"));
    });
    const limits = { outgoingBytesMax: 1, outgoingWaitMs: 20 };
    await using rig = await open(every, { works: true, limits, orders: { target: large.url.href } });
    const reading = new AbortController();
    const init = { method: "POST", body: "{}", headers: { prefer: "wait=10" } };
    const first = await fetch(`${rig.url}/x`, { ...init, signal: reading.signal }); // its body is not read
    const second = await rig.send("/x", { headers: init.headers });
    reading.abort();
    assert.deepEqual([first.status, second.status], [200, 202]);
    assert.equal(JSON.parse(second.body).state, "done");
  });

  test("that waits in vain gets the receipt", async () => {
    await using rig = await open({ "/*": { queue: "orders", wait: "1s" } });
    const answer = await rig.send("/x");
    assert.equal(answer.status, 202);
    assert.equal(JSON.parse(answer.body).state, "waiting");
  });

  test("gets what its route answers instead of a receipt", async () => {
    await using rig = await open({
      "POST /sms": { queue: "orders", answer: { status: 200, contentType: "text/xml", body: "<Response/>" } },
    });
    const answer = await rig.send("/sms");
    assert.deepEqual(
      [answer.status, answer.headers.get("content-type"), answer.body],
      [200, "text/xml", "<Response/>"],
    );
    assert.equal(await rig.accepted(), 1);
  });

  test("goes to each queue of its route, or to none", async () => {
    await using rig = await open({ "/*": { queue: ["orders", "mails"], key: header("x-id") } });
    const first = await rig.send("/x", { headers: { "x-id": "1" } });
    assert.deepEqual(
      JSON.parse(first.body).receipts.map(({ queue }: { queue: string }) => queue),
      ["orders", "mails"],
    );
    const again = await rig.send("/x", { headers: { "x-id": "1" } });
    assert.equal(again.headers.get("idempotent-replayed"), "true");
    assert.equal(again.headers.get("sluice-request-id"), first.headers.get("sluice-request-id"));
    assert.equal((await rig.send("/x", { headers: { "x-id": "1" }, body: "other" })).status, 422);
    assert.equal(await rig.accepted(), 2);
  });
});

describe("keys", () => {
  test("are the sender's Idempotency-Key unless the route says otherwise, and each route is a sender of its own", async () => {
    await using rig = await open({ "/a": { queue: "orders" }, "/b": { queue: "orders" }, "/c/*": { queue: "orders" } });
    const keyed = { headers: { "idempotency-key": "k" } };
    const ids = await Promise.all(
      ["/a", "/a", "/b"].map(async (path) => (await rig.send(path, keyed)).headers.get("sluice-request-id")),
    );
    assert.equal(ids[0], ids[1]);
    assert.notEqual(ids[0], ids[2]);
    assert.equal((await rig.send("/c/1", keyed)).status, 202);
    assert.equal((await rig.send("/c/2", keyed)).status, 422, "the same key to another place");
  });

  test("come from the body, and what has none is refused unless it is optional", async () => {
    await using rig = await open({
      "/must": { queue: "orders", key: json("/id") },
      "/may": { queue: "orders", key: json("/id", { optional: true }) },
    });
    const first = await rig.send("/must", { body: '{"id":9007199254740993}' });
    const other = await rig.send("/must", { body: '{"id":9007199254740992}' });
    assert.notEqual(first.headers.get("sluice-request-id"), other.headers.get("sluice-request-id"));
    const without = await rig.send("/must", { body: "{}" });
    assert.equal(without.status, 400);
    assert.match(without.body, /\/id/);
    assert.equal((await rig.send("/may", { body: "{}" })).status, 202);
  });
});

describe("GET, HEAD and OPTIONS", () => {
  test("go to B and are not stored", async () => {
    await using rig = await open(every);
    const answer = await rig.send("/page?x=1", {
      method: "GET",
      body: null,
      headers: { cookie: "s=1", authorization: "Basic x" },
    });
    assert.deepEqual([answer.status, answer.body], [201, "GET /page?x=1 "]);
    assert.deepEqual([seen[0]?.headers.cookie, seen[0]?.headers.authorization], ["s=1", "Basic x"]);
    assert.equal((await rig.send("/page", { method: "HEAD", body: null })).status, 201);
    assert.equal((await rig.send("/page", { method: "OPTIONS", body: null })).status, 201);
    assert.equal(await rig.accepted(), 0);
  });

  test("are 405 where they do not pass through", async () => {
    await using shut = await open(every, { front: { passThrough: false } });
    const answer = await shut.send("/page", { method: "GET", body: null });
    assert.deepEqual([answer.status, answer.headers.get("allow")], [405, "POST, PUT, PATCH, DELETE"]);
    await using fixed = await open(every, { orders: { target: `${bUrl}/process` } });
    assert.equal((await fixed.send("/page", { method: "GET", body: null })).status, 405);
    await using signed = await open({ "/*": { queue: "orders", verify: github({ secret: "s" }) } });
    assert.equal((await signed.send("/page", { method: "GET", body: null })).status, 405);
  });

  test("need the proof that their route asks for", async () => {
    await using rig = await open({ "/*": { queue: "orders", verify: basic({ username: "me", password: "secret" }) } });
    const bare = await rig.send("/page", { method: "GET", body: null });
    assert.deepEqual([bare.status, seen.length], [401, 0]);
    const authorization = `Basic ${Buffer.from("me:secret").toString("base64")}`;
    assert.equal((await rig.send("/page", { method: "GET", body: null, headers: { authorization } })).status, 201);
  });
});

describe("who may send", () => {
  const body = '{"zen":"Keep it logically awesome."}';
  const signature = (secret: string): string => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;

  test("is who signs, and all others learn nothing and store nothing", async () => {
    const verify = github({ secret: ["old", "new"] });
    await using rig = await open({ "POST /hooks": { queue: "orders", verify, key: header("x-github-delivery") } });
    for (const secret of ["old", "new"])
      assert.equal(
        (await rig.send("/hooks", { body, headers: { "x-hub-signature-256": signature(secret) } })).status,
        202,
      );
    const refusals = await Promise.all([
      rig.send("/hooks", { body }),
      rig.send("/hooks", { body, headers: { "x-hub-signature-256": signature("other") } }),
      rig.send("/hooks", { body: `${body} `, headers: { "x-hub-signature-256": signature("old") } }),
    ]);
    assert.deepEqual(
      refusals.map(({ status }) => status),
      [401, 401, 401],
    );
    assert.equal(new Set(refusals.map((refusal) => refusal.body)).size, 1);
    assert.equal(await rig.accepted(), 2);
    const lines = rig.under.activityLines.filter(({ code }) => code === "unauthorized");
    assert.deepEqual(
      lines.map(({ path, why }) => [path, why]),
      ["missing", "mismatch", "mismatch"].map((reason) => [
        "/hooks",
        `the request is not verified: route POST /hooks, ${reason}`,
      ]),
    );
    const { text: metrics } = await rig.under.fetch("/metrics");
    assert.match(metrics, /sluice_front_refused_total\{route="POST \/hooks",reason="missing"\} 1/);
    assert.match(metrics, /sluice_front_refused_total\{route="POST \/hooks",reason="mismatch"\} 2/);
  });

  test("is who has an API key, where the route says so; a key that ends meanwhile ends nothing of a public route", async () => {
    await using rig = await open(
      { "/keyed": { queue: "orders", verify: sluiceKeys }, "/open": { queue: "orders", verify: "public" } },
      { keys: [{}, { name: "reader", scopes: ["read"] }, { name: "mailer", queues: ["mails"] }], works: true },
    );
    const [all, reader, mailer] = rig.under.secrets;
    const as = (key?: string) =>
      rig.send("/keyed", { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
    assert.deepEqual(
      (await Promise.all([as(), as(reader), as(mailer), as(all)])).map(({ status }) => status),
      [401, 403, 403, 202],
    );
    const waited = await rig.send("/open", { headers: { prefer: "wait=10" } });
    assert.equal(waited.status, 201);
  });

  test("an API key hands in as much on the front as it may on the API, a request for each queue", async () => {
    const verify = sluiceKeys;
    await using rig = await open(
      { "/one": { queue: "orders", verify }, "/two": { queue: ["orders", "mails"], verify } },
      { keys: [{ quota: parseQuota("4/h") }] },
    );
    const headers = { authorization: `Bearer ${rig.under.secrets[0]}` };
    const send = async (path: string) => (await rig.send(path, { headers })).status;
    assert.deepEqual([await send("/one"), await send("/two")], [202, 202]);
    const last = await rig.under.post("/v1/queues/orders/requests", "{}", headers);
    assert.deepEqual([last.status, last.headers.get("ratelimit")?.split(";")[1]], [202, "r=0"]);
    assert.equal((await rig.send("/one", { method: "GET", body: null, headers })).status, 201);
    assert.equal(await send("/one"), 429);
    assert.equal(await rig.accepted(), 4);
  });

  test("is who knows a password or a key, which B and the store do not get in a header either", async () => {
    const named = { queue: "orders", headers: ["authorization", "x-*"] };
    await using rig = await open(
      {
        "/basic": { ...named, verify: basic({ username: "me", password: "hunter2" }) },
        "/header": { ...named, verify: apiKey({ header: "X-Key", secret: "hunter2" }) },
        "/bearer": { ...named, verify: apiKey({ header: "authorization", secret: "hunter2" }) },
        "/keyed": { ...named, verify: sluiceKeys },
      },
      { keys: [{}], works: true },
    );
    const proofs = {
      "/basic": { authorization: `Basic ${Buffer.from("me:hunter2").toString("base64")}` },
      "/header": { "x-key": "hunter2" },
      "/bearer": { authorization: "Bearer hunter2" },
      "/keyed": { authorization: `Bearer ${rig.under.secrets[0]}` },
    };
    for (const [path, proof] of Object.entries(proofs)) {
      seen = [];
      const headers = { ...proof, prefer: "wait=10", "x-other": "1" } as Record<string, string>;
      const written = await rig.send(path, { headers });
      const read = await rig.send(path, { method: "GET", body: null, headers });
      assert.deepEqual([written.status, read.status], [201, 201], path);
      const status = await rig.under.engine.read(written.headers.get("sluice-request-id") as never);
      assert.equal(status?.head?.headers?.["x-other"], "1");
      for (const headersThere of [status.head.headers, ...seen.map((call) => call.headers)])
        assert.deepEqual([headersThere?.["authorization"], headersThere?.["x-key"]], [undefined, undefined], path);
    }
  });

  test("is who knows a key, which is neither stored nor passed on", async () => {
    await using rig = await open(
      {
        "/query": { queue: "orders", verify: apiKey({ query: "key", secret: "hunter2" }) },
        "/header": { queue: "orders", verify: apiKey({ header: "x-key", secret: "hunter2" }) },
        "/gitlab": { queue: "orders", verify: gitlab({ secret: "hunter2" }) },
      },
      { works: true },
    );
    const headers = { prefer: "wait=10", "x-key": "hunter2", "x-gitlab-token": "hunter2" };
    assert.equal((await rig.send("/query?key=hunter3")).status, 401);
    assert.equal((await rig.send("/query?a=1&k%65y=hunter2&b=2", { headers: { prefer: "wait=10" } })).status, 201);
    assert.equal((await rig.send("/query?key=hunter2", { method: "GET", body: null })).status, 201);
    for (const path of ["/header", "/gitlab"])
      assert.equal(
        (await rig.send(path, { headers: { ...headers, [path === "/header" ? "x-gitlab-token" : "x-key"]: "" } }))
          .status,
        201,
      );
    assert.deepEqual(
      seen.map(({ url }) => url),
      ["/query?a=1&b=2", "/query", "/header", "/gitlab"],
    );
    assert.ok(!JSON.stringify(seen).includes("hunter2"));
    const list = await rig.under.engine.list({ limit: 10 });
    const stored = await Promise.all(list.map(({ id }) => rig.under.engine.read(id)));
    assert.ok(!JSON.stringify(stored).includes("hunter2"));
  });

  test("is bound by the rate of its API key", async () => {
    const quota = { text: "1/h", count: 1, windowSeconds: 3_600 };
    await using rig = await open({ "/*": { queue: "orders", verify: sluiceKeys } }, { keys: [{ quota }] });
    const headers = { authorization: `Bearer ${rig.under.secrets[0]}` };
    assert.equal((await rig.send("/x", { headers })).status, 202);
    assert.equal((await rig.send("/x", { headers })).status, 429);
  });

  test("Slack's and Meta's handshakes are answered and not stored", async () => {
    await using rig = await open({
      "POST /slack": { queue: "orders", verify: slack({ secret: "s" }) },
      "POST /meta": { queue: "orders", verify: "public", handshake: meta({ verifyToken: "t" }) },
    });
    const challenge = JSON.stringify({ type: "url_verification", challenge: "abc" });
    const time = String(Math.floor(Date.now() / 1_000));
    const signed = `v0=${createHmac("sha256", "s").update(`v0:${time}:${challenge}`).digest("hex")}`;
    const headers = { "x-slack-request-timestamp": time, "x-slack-signature": signed };
    assert.equal((await rig.send("/slack", { body: challenge })).status, 401);
    const slacks = await rig.send("/slack", { body: challenge, headers });
    assert.deepEqual([slacks.status, slacks.body], [200, "abc"]);
    const asked = "/meta?hub.mode=subscribe&hub.verify_token=";
    const get = { method: "GET", body: null };
    assert.equal((await rig.send(`${asked}t&hub.challenge=12`, get)).body, "12");
    assert.equal((await rig.send(`${asked}x&hub.challenge=12`, get)).status, 401);
    assert.equal(await rig.accepted(), 0);
  });
});

describe("a path that B may read as another", () => {
  test("does not get past a route that verifies", async () => {
    await using rig = await open({
      "POST /hooks/github": { queue: "orders", verify: github({ secret: "s" }) },
      "/*": { queue: "orders", verify: "public" },
    });
    for (const path of [
      "/hooks/github/",
      "//hooks/github",
      "/hooks/%67ithub",
      "/Hooks/GitHub",
      "/hooks/github;x",
      "/x/../hooks/github",
    ])
      assert.ok([400, 401].includes((await rig.send(path)).status), path);
    assert.equal((await rig.send("/hooks/gitlab")).status, 202);
    assert.equal(await rig.accepted(), 1);
  });
});

describe("bad input", () => {
  test("is answered, and stores nothing", async () => {
    await using rig = await open({
      "POST /a": { queue: "orders", bodyMax: "10B" },
      "/b": { queue: "orders", rate: "1/h" },
    });
    assert.equal((await rig.send("/nowhere")).status, 404);
    const wrong = await rig.send("/a", { method: "PUT" });
    assert.deepEqual([wrong.status, wrong.headers.get("allow")], [405, "POST"]);
    assert.equal((await rig.send("/b", { method: "PROPFIND" })).status, 405);
    assert.equal((await rig.send("/a", { body: "x".repeat(11) })).status, 413);
    assert.equal((await rig.send("/a", { headers: { "x-large": "x".repeat(17_000) } })).status, 431);
    assert.equal((await rig.send("/a", { headers: { "content-type": "no type" } })).status, 415);
    assert.equal((await rig.send("/v1/queues", { method: "GET", body: null })).status, 404);
    assert.equal(await rig.accepted(), 0);
    assert.equal((await rig.send("/b")).status, 202);
    const limited = await rig.send("/b");
    assert.equal(limited.status, 429);
    assert.ok(Number(limited.headers.get("retry-after")) > 3_000);
  });

  test("a body that ends early stores nothing", async () => {
    await using rig = await open(every);
    const { port } = new URL(rig.url);
    const socket = connect(Number(port), "127.0.0.1");
    await once(socket, "connect");
    socket.end("POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf");
    socket.resume();
    await once(socket, "close");
    assert.equal((await rig.send("/x")).status, 202);
    assert.equal(await rig.accepted(), 1);
  });
});

describe("a front does not start", () => {
  const refused = async (starting: Promise<Rig>, message: RegExp): Promise<void> => {
    await assert.rejects(starting, (error) => {
      assert.ok(error instanceof SluiceError, String(error));
      assert.equal(error.code, "bad-config");
      assert.match(error.message, message);
      return true;
    });
  };

  test("with routes that match the same, an unknown queue, a missing secret, or a field that is none", async () => {
    await refused(open({ "/a/:x": { queue: "orders" }, "/a/:y": { queue: "mails" } }), /"\/a\/:x" and "\/a\/:y"/);
    await refused(open({ "/a": { queue: "nobody" } }), /front\.routes\["\/a"\]\.queue/);
    await refused(
      open({ "/a": { queue: "orders", verify: github({} as never) } }),
      /front\.routes\["\/a"\]\.verify\.secret/,
    );
    await refused(
      open({ "/a": { queue: "orders", verify: { kind: "gitbucket" } as never } }),
      /front\.routes\["\/a"\]\.verify/,
    );
    await refused(open({ "/a": { queue: "orders", verfy: "public" } as never }), /did you mean verify/);
    await refused(open({ "GET /a": { queue: "mails" } }), /never stored/);
  });

  test("before itself", async () => {
    await refused(
      open(every, { orders: { target: "http://localhost:8081" }, front: { port: 8081 } }),
      /is the front itself/,
    );
  });

  test("where others reach it and a route needs no proof", async () => {
    await refused(open(every, { front: { host: "0.0.0.0" } }), /needs verify: the front on 0\.0\.0\.0/);
    await using rig = await open({ "/*": { queue: "orders", verify: "public" } }, { front: { host: "0.0.0.0" } });
    assert.match(rig.url, /0\.0\.0\.0/);
  });
});

describe("the times of a route", () => {
  const hourMs = 3_600_000;

  async function timesOf(rig: Rig, body: string): Promise<readonly unknown[]> {
    const { id } = JSON.parse(body) as { id: string };
    const { json: shown } = await rig.under.fetch(`/v1/requests/${id}`);
    return [shown.state, shown.notBefore, shown.expires];
  }

  test("may be fixed, from the time of arrival on", async () => {
    await using rig = await open({ "/*": { queue: ["orders", "mails"], notBefore: "2h", expires: "1d" } });
    const sentAt = Date.now();
    const { status, headers, body } = await rig.send("/");
    assert.equal(status, 202);
    const { receipts } = JSON.parse(body) as { receipts: readonly { id: string; state: string }[] };
    assert.deepEqual(
      receipts.map(({ state }) => state),
      ["scheduled", "scheduled"],
    );
    assert.ok(Number(headers.get("retry-after")) > 7_100);
    for (const receipt of receipts) {
      const [, notBefore, expires] = await timesOf(rig, JSON.stringify(receipt));
      assert.ok(Date.parse(String(notBefore)) - sentAt >= 2 * hourMs, String(notBefore));
      assert.equal(Date.parse(String(expires)) - Date.parse(String(notBefore)), 22 * hourMs);
    }
  });

  test("may come from a header, the query or the body; where nothing is sent there are none", async () => {
    await using rig = await open({
      "/header": { queue: "orders", notBefore: header("X-Later"), expires: header("X-Until") },
      "/query": { queue: "orders", notBefore: query("at"), expires: "3h" },
      "/json": { queue: "orders", notBefore: json("/meta/at"), expires: json("/meta/until") },
    });
    const [from, until] = [1, 2].map((hours) => new Date(Date.now() + hours * hourMs).toISOString());
    const sent = async (path: string, init?: RequestInit): Promise<readonly unknown[]> => {
      const { status, body } = await rig.send(path, init);
      assert.equal(status, 202, body);
      return timesOf(rig, body);
    };
    const headers = { "x-later": `${from}`, "x-until": `${until}` };
    assert.deepEqual(await sent("/header", { headers }), ["scheduled", from, until]);
    assert.deepEqual(await sent("/header", { headers: { "x-until": `${until}` } }), ["waiting", null, until]);
    assert.deepEqual((await sent(`/query?at=${from}`)).slice(0, 2), ["scheduled", from]);
    const meta = JSON.stringify({ meta: { at: from, until } });
    assert.deepEqual(await sent("/json", { body: meta }), ["scheduled", from, until]);
    for (const body of ["{}", "", "no JSON", '{"meta":null}', '{"meta":{"at":null,"until":{}}}'])
      assert.deepEqual(await sent("/json", { body }), ["waiting", null, null], body);
    assert.deepEqual(await sent("/header"), ["waiting", null, null]);
    assert.deepEqual((await sent("/query")).slice(0, 2), ["waiting", null]);
  });

  test("that do not parse, or contradict the route, are refused, and nothing is stored", async () => {
    await using rig = await open({
      "/header": { queue: "orders", notBefore: header("X-Later"), expires: "1h" },
      "/query": { queue: "orders", expires: query("until") },
      "/json": { queue: "orders", notBefore: json("/at") },
    });
    const refusals: readonly [string, RequestInit, string][] = [
      ...["soon", "-5m", "1e99d", "NaNs", "5m, 5m", "9999-12-31T23:59:59Z", "0".repeat(10_000)].map(
        (value): [string, RequestInit, string] => ["/header", { headers: { "x-later": value } }, "x-later"],
      ),
      ["/header", { headers: { "x-later": "2h" } }, "expires"],
      ["/query?until=", {}, "until"],
      ["/query?until=2026-12-24T18:00:00+01:00", {}, "until"], // the plus is a space
      ["/json", { body: '{"at":1798135200}' }, "/at"],
      ["/json", { body: '{"at":"\\u0000"}' }, "/at"],
    ];
    for (const [path, init, parameter] of refusals) {
      const { status, body } = await rig.send(path, init);
      const problem = JSON.parse(body) as Record<string, unknown>;
      assert.deepEqual([status, problem["code"], problem["parameter"]], [400, "bad-parameter", parameter], body);
      assert.ok(body.length < 700, body);
    }
    for (const [path, body] of [
      ["/query?until=1h&until=1h", "{}"],
      ["/json", '{"at":"1h","at":"2h"}'],
    ] as const)
      assert.equal((await rig.send(path, { body })).status, 400);
    assert.equal(await rig.accepted(), 0);
  });

  test("are the route's to name: a sender's own header has no effect", async () => {
    await using rig = await open(every, { works: true });
    const headers = { "sluice-not-before": "1h", "sluice-expires": "never", prefer: "wait=10" };
    assert.equal((await rig.send("/", { headers })).status, 201);
  });
});
