// How a target is called, and what is kept of its response, by what the configuration says of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startRawTarget } from "@sluice/testing";
import { Webhook } from "standardwebhooks";
import type { TargetConfig } from "../config/config.ts";
import { secret } from "../config/front-values.ts";
import { readTarget } from "../config/read-target.ts";
import { systemClock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import type { Delivery } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { AttemptEnd } from "./runner.ts";
import { targetRunner } from "./target-runner.ts";

const id = "01a204f9-70ec-7000-8293-91d0cee829c3" as RequestId;
const planted = "hunter2";
const env = { B_TOKEN: `Bearer ${planted}`, EMPTY: "" };

interface Attempted {
  readonly end: AttemptEnd;
  readonly head: string;
}

async function attempt(
  target: Omit<TargetConfig, "url"> & { readonly place?: string },
  request: Partial<Delivery["request"]> = {},
  response = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
): Promise<Attempted> {
  await using raw = await startRawTarget((socket) => socket.write(response));
  const { place = "", ...given } = target;
  const read = readTarget("target", { url: `http://127.0.0.1:${raw.port}${place}`, ...given }, { addresses: {}, env });
  const bounds = { connectionsMax: 1, resultBytesMax: 10_000, timeoutMs: 5_000, retryAfterMaxMs: 1_000 };
  const runner = targetRunner({ target: read, clock: systemClock, ...bounds });
  const stored = { id, queue: "orders", key: undefined, contentType: "text/plain", headers: undefined, acceptedAt: 0 };
  const delivery: Delivery = {
    request: { ...stored, body: Buffer.from("{}"), ...request },
    claim: { id, queue: "orders", token: 1 },
    attempt: 1,
    isAgain: false,
  };
  const end = await runner.run(delivery, { signal: AbortSignal.timeout(5_000), progress: () => {} });
  await runner.close();
  return { end, head: raw.requests[0]?.head ?? "" };
}

const line = ({ head }: Attempted): string => head.split("\r\n", 1)[0] ?? "";
const header = ({ head }: Attempted, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, "im").exec(head)?.[1]?.trim();
const fromFront = { method: "PUT", path: "/a?b=1" };

test("the place: where the request was sent, below a target that says so or has no path of its own", async () => {
  assert.equal(line(await attempt({}, fromFront)), "PUT /a?b=1 HTTP/1.1");
  assert.equal(line(await attempt({ place: "/app/", path: "append" }, fromFront)), "PUT /app/a?b=1 HTTP/1.1");
  assert.equal(line(await attempt({ place: "/process" }, fromFront)), "POST /process HTTP/1.1");
  assert.equal(line(await attempt({ path: "fixed" }, fromFront)), "POST / HTTP/1.1");
  assert.equal(line(await attempt({ method: "PATCH" }, fromFront)), "PATCH /a?b=1 HTTP/1.1");
  assert.equal(line(await attempt({})), "POST / HTTP/1.1");
});

test("a path that leads out of the target's own is never sent", async () => {
  for (const path of ["/../x", "/a/%2e%2e/x", "/a/..;/x", "//../x", "x", "/a\\..\\x"]) {
    const { end, head } = await attempt({ place: "/app", path: "append" }, { method: "PUT", path });
    assert.equal(head, "", path);
    assert.ok(end.kind === "failed" && !end.failure.isRetryable && end.failure.code === "unsendable");
  }
});

test("headers: the target's own go before the sender's, and a call's own before both", async () => {
  const headers = { "x-a": "1", "x-b": "2", authorization: "sender", "sluice-attempt": "9" };
  const called = await attempt(
    { headers: { authorization: secret("B_TOKEN") }, forward: ["x-a", "auth*"] },
    { headers },
  );
  assert.equal(header(called, "authorization"), `Bearer ${planted}`);
  assert.deepEqual([header(called, "x-a"), header(called, "x-b")], ["1", undefined]);
  assert.equal(header(called, "sluice-attempt"), "1");
});

test("each attempt is signed, as any library of Standard Webhooks verifies it", async () => {
  const sign = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const called = await attempt({ sign });
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  const signed = Object.fromEntries(names.map((name) => [name, header(called, name) ?? ""]));
  new Webhook(sign).verify("{}", signed);
  assert.throws(() => new Webhook(sign).verify("{} ", signed));
});

const responds = (status: number, headers = ""): string =>
  `HTTP/1.1 ${status} X\r\n${headers}content-length: 2\r\n\r\nno`;

test("statuses are what the configuration says they are", async () => {
  const statuses = { done: [409], retry: [404], dead: [500, 202] };
  const kindOf = async (status: number): Promise<string> => {
    const { end } = await attempt({ statuses }, {}, responds(status));
    if (end.kind === "done") return `done ${end.result.status}`;
    return end.failure.isRetryable ? "retry" : "dead";
  };
  for (const [status, kind] of [
    [409, "done 409"],
    [404, "retry"],
    [500, "dead"],
    [202, "dead"],
    [503, "retry"],
    [410, "dead"],
    [201, "done 201"],
  ] as const)
    assert.equal(await kindOf(status), kind, String(status));
});

test("of a response the status and the named headers are kept; for the front all, and of a refusal too", async () => {
  const headers =
    "ETag: a\r\nX-B: b\r\nSet-Cookie: c\r\nSet-Cookie: d\r\nConnection: X-Hop, keep-alive\r\nX-Hop: e\r\nKeep-Alive: timeout=5\r\n";
  const resultOf = async (target: Omit<TargetConfig, "url">, request: object, status: number) => {
    const { end } = await attempt(target, request, responds(status, headers));
    const result = end.kind === "done" ? end.result : end.response;
    return { status: result?.status, headers: result?.headers && { ...result.headers } };
  };
  assert.deepEqual(await resultOf({}, {}, 200), { status: undefined, headers: undefined });
  assert.deepEqual(await resultOf({}, {}, 201), { status: 201, headers: undefined });
  assert.deepEqual(await resultOf({ keepResultHeaders: ["etag", "x-hop"] }, {}, 200), {
    status: 200,
    headers: { etag: "a" },
  });
  const all = { etag: "a", "x-b": "b", "set-cookie": ["c", "d"] };
  assert.deepEqual(await resultOf({}, fromFront, 200), { status: 200, headers: all });
  assert.deepEqual(await resultOf({}, fromFront, 404), { status: 404, headers: all });
  assert.deepEqual(await resultOf({}, {}, 404), { status: undefined, headers: undefined }, "nobody could read it");
  assert.deepEqual(await resultOf({ keepResultHeaders: [] }, fromFront, 404), { status: 404, headers: undefined });
});

function throwing(fields: object, name: string): object {
  const get = (): never => {
    throw new Error(planted);
  };
  return Object.defineProperty(fields, name, { enumerable: true, get });
}

test("what is wrong is refused with its place and its rule, and never with a secret", () => {
  const url = "http://127.0.0.1:9";
  for (const [target, message] of [
    [{ url, headers: { "x y": planted } }, /the name of a header/],
    [{ url, headers: { host: planted } }, /target\.headers\.host is set by Sluice itself/],
    [{ url, headers: { "x-a": `${planted}\n` } }, /target\.headers\.x-a/],
    [{ url, headers: { "x-a": secret("NOT_SET") } }, /neither NOT_SET nor NOT_SET_FILE is set/],
    [{ url, headers: { "x-a": secret("EMPTY") } }, /neither EMPTY nor EMPTY_FILE is set/],
    [{ url, headers: planted }, /target\.headers/],
    [{ url, sign: planted }, /target\.sign/],
    [{ url, method: "GET" }, /target\.method/],
    [{ url, path: "/x" }, /"append" or "fixed"/],
    [{ url: `${url}/?a=1`, path: "append" }, /without a query/],
    [{ url, forward: ["x y"] }, /target\.forward/],
    [{ url, statuses: { done: [404], retry: [404] } }, /same status/],
    [{ url, statuses: { done: [100] } }, /from 200 to 599/],
    [{ url, tls: { cert: "/nowhere" } }, /target\.tls\.cert/],
    [{ url, hedaers: {} }, /did you mean headers/],
    [{ url: `http://me:${planted}@127.0.0.1:99999/` }, /target\.url must be an http or https URL, got "…@127/],
    [{ url: `ftp://me:a/${planted}@127.0.0.1/` }, /target\.url must be an http or https URL/],
    [throwing({ url }, "headers"), /target cannot be read: one of its properties throws/],
    [{ url, headers: throwing({}, "x-a") }, /target cannot be read: one of its properties throws/],
  ] as const) {
    assert.throws(
      () => readTarget("target", target as never, { addresses: {}, env }),
      (error) => {
        assert.ok(error instanceof SluiceError && error.code === "bad-config", String(error));
        assert.match(error.message, message);
        assert.ok(!error.message.includes(planted), error.message);
        return true;
      },
    );
  }
});
