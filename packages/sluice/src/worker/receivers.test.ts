// Receivers over real HTTP: what one host does to the attempts at the others.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { callbackOriginHeader, callbackUrlHeader } from "../core/callback.ts";
import { requestIdOf } from "../core/request-id.ts";
import type { Delivery } from "../core/request.ts";
import { parseWebhookSecret } from "../core/webhook-signature.ts";
import { addressRule } from "../outbound/address-rule.ts";
import { openLog } from "../telemetry/log.ts";
import { callbackRunner } from "./callback-runner.ts";
import type { AttemptEnd } from "./runner.ts";

const secret = parseWebhookSecret(`whsec_${Buffer.from("for all queues, twenty-four").toString("base64")}`);
const concurrency = 8;
const placesOfHost = 6;
let lastSeq = 0;

interface Host extends AsyncDisposable {
  readonly url: string;
  /** Paths in the order of their posts. */
  readonly posts: readonly string[];
  /** Resolves once there are so many posts. */
  posted(count: number): Promise<void>;
  answer: (response: ServerResponse, path: string) => void;
}

async function openHost(answer: Host["answer"] = (response) => void response.end()): Promise<Host> {
  const posts: string[] = [];
  const server = createServer((request, response) => {
    posts.push(String(request.url));
    server.emit("posted");
    host.answer(response, String(request.url));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const host: Host = {
    url: `http://127.0.0.1:${port}`,
    posts,
    async posted(count) {
      while (posts.length < count) await once(server, "posted", { signal: AbortSignal.timeout(10_000) });
    },
    answer,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await once(server.close(), "close");
    },
  };
  return host;
}

function deliveryTo(url: string): Delivery {
  lastSeq += 1;
  const id = requestIdOf(lastSeq, new Uint8Array(8));
  const headers = { [callbackOriginHeader]: "orders", [callbackUrlHeader]: url };
  const body = Buffer.from("{}");
  const request = { queue: "c", key: undefined, contentType: "application/json", headers, body, id, acceptedAt: 0 };
  return { request, claim: { id, queue: "c", token: 1 }, attempt: 1, isAgain: false };
}

function openRunner() {
  let ms = 0;
  const runner = callbackRunner({
    secretsOf: () => [secret],
    rule: addressRule({ allow: ["127.0.0.1"] }),
    concurrency,
    answerBytesMax: 1_000,
    timeoutMs: 10_000,
    retryAfterMaxMs: 60_000,
    clock: { now: () => ms, monotonic: () => ms },
    random: () => 0.5,
    log: openLog({ level: "silent", isPretty: false }),
  });
  return {
    pass: (more: number) => void (ms += more),
    post: (url: string, signal = AbortSignal.timeout(10_000)): Promise<AttemptEnd> =>
      runner.run(deliveryTo(url), { signal, progress: () => {} }),
    [Symbol.asyncDispose]: () => runner.close(),
  };
}

function codeOf(end: AttemptEnd): string {
  return end.kind === "done" ? end.kind : end.failure.code;
}

test("a receiver that hangs gets three quarters of the places, and the others the rest", async () => {
  await using slow = await openHost(() => {});
  await using other = await openHost();
  await using runner = openRunner();
  const cutOff = new AbortController();
  const all = Array.from({ length: concurrency }, () => runner.post(slow.url, cutOff.signal).catch(() => undefined));
  const ended = await Promise.race(all);
  await slow.posted(placesOfHost);
  assert.equal(ended?.kind, "failed");
  assert.deepEqual([ended.failure.code, ended.failure.isCounted], ["receiver-busy", false]);
  assert.equal(codeOf(await runner.post(other.url)), "done");
  slow.answer = (response) => void response.end();
  cutOff.abort();
  await Promise.all(all);
  assert.equal(slow.posts.length, placesOfHost);
  assert.equal(codeOf(await runner.post(slow.url)), "done", "its places are free again");
});

test("a receiver that is out gets a probe now and then until it is back, and the others all of theirs", async () => {
  await using out = await openHost((response) => void response.writeHead(503).end());
  await using other = await openHost();
  await using runner = openRunner();
  for (let posts = 0; posts < 10; posts += 1) {
    const end = await runner.post(out.url);
    assert.equal(end.kind, "failed");
    assert.deepEqual([end.failure.code, end.failure.isCounted], ["target-status", true]);
  }
  const put = await runner.post(out.url);
  assert.equal(put.kind, "failed");
  assert.deepEqual([put.failure.code, put.failure.isCounted, put.blame], ["receiver-busy", false, "request"]);
  assert.equal(put.failure.retryAfterMs, 5_000 * 0.75);
  assert.equal(out.posts.length, 10);
  assert.equal(codeOf(await runner.post(other.url)), "done");
  runner.pass(3_600_000);
  assert.equal(codeOf(await runner.post(out.url)), "target-status");
  const later = await runner.post(out.url);
  assert.equal(later.kind === "failed" && later.failure.retryAfterMs, 600_000 * 0.75);
  out.answer = (response) => void response.end();
  runner.pass(60_000);
  assert.equal(codeOf(await runner.post(out.url)), "done");
  assert.equal(codeOf(await runner.post(out.url)), "done");
});

test("a URL that answers 410 gets no more callbacks for a day, and others of its host do", async () => {
  await using host = await openHost((response, path) => void response.writeHead(path === "/gone" ? 410 : 200).end());
  await using runner = openRunner();
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const end = await runner.post(`${host.url}/gone`);
    assert.equal(end.kind, "failed");
    assert.deepEqual([end.failure.code, end.failure.isRetryable], ["callback-gone", false]);
  }
  assert.equal(codeOf(await runner.post(`${host.url}/here`)), "done");
  assert.deepEqual(host.posts, ["/gone", "/here"]);
  runner.pass(24 * 3_600_000);
  assert.equal(codeOf(await runner.post(`${host.url}/gone`)), "callback-gone");
  assert.equal(host.posts.length, 3);
});
