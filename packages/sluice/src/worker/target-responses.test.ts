// What a target may say or do at the other end of its connection, and what an attempt makes of it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { describe, test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { freePort, startRawTarget, type RawRequest, type RawTarget } from "@sluice/testing";
import type { RequestId } from "../core/request-id.ts";
import type { Delivery } from "../core/request.ts";
import { systemClock } from "../core/clock.ts";
import { addressRule } from "../outbound/address-rule.ts";
import { plainTarget } from "../outbound/target.ts";
import type { AttemptEnd, Runner } from "./runner.ts";
import { targetRunner, type TargetRunnerOptions } from "./target-runner.ts";

const id = "01a204f9-70ec-7000-8293-91d0cee829c3" as RequestId;

function delivery(over: Partial<Delivery["request"]> = {}): Delivery {
  const body = Buffer.from("{}");
  const content = { queue: "orders", key: undefined, contentType: "application/json", headers: undefined, body };
  const request = { ...content, id, acceptedAt: 0, ...over };
  return { request, claim: { id, queue: "orders", token: 1 }, attempt: 1, isAgain: false };
}

type Open = Runner & AsyncDisposable;

function open(url: URL, over: Partial<TargetRunnerOptions> = {}): Open {
  const runner = targetRunner({
    target: plainTarget(url, addressRule({ allow: ["127.0.0.1"] })),
    clock: systemClock,
    connectionsMax: 4,
    resultBytesMax: 1_000,
    timeoutMs: 5_000,
    retryAfterMaxMs: 600_000,
    ...over,
  });
  return { ...runner, [Symbol.asyncDispose]: () => runner.close() };
}

function attempt(runner: Runner, at = delivery()): Promise<AttemptEnd> {
  return runner.run(at, { signal: AbortSignal.timeout(5_000), progress: () => {} });
}

type Respond = (socket: Socket, request: RawRequest) => void;

async function oneAttempt(respond: Respond, over: Partial<TargetRunnerOptions> = {}): Promise<AttemptEnd> {
  await using target = await startRawTarget(respond);
  await using runner = open(target.url, over);
  return await attempt(runner);
}

function says(...parts: readonly (string | Uint8Array)[]): Respond {
  return (socket) => parts.forEach((part) => socket.write(part));
}

function whole(status: number, body: Uint8Array | string = "", headers = ""): string | Uint8Array {
  const bytes = Buffer.from(body);
  return Buffer.concat([
    Buffer.from(`HTTP/1.1 ${status} X\r\n${headers}content-length: ${bytes.length}\r\n\r\n`),
    bytes,
  ]);
}

function resultOf(end: AttemptEnd): string {
  assert.equal(end.kind, "done", JSON.stringify(end));
  return Buffer.from(end.kind === "done" ? end.result.bytes : []).toString();
}

type Failed = Extract<AttemptEnd, { kind: "failed" }>;

function failureOf(end: AttemptEnd): Failed["failure"] & Pick<Failed, "blame"> {
  assert.ok(end.kind === "failed", JSON.stringify(end));
  return { ...end.failure, blame: end.blame };
}

const proceed = "HTTP/1.1 100 Continue\r\n\r\n";
const hints = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";

describe("204 No Content", () => {
  for (const [name, rest] of [
    ["with a length and a body", "content-length: 5\r\n\r\nhello"],
    ["with chunks", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    ["with a coding", "content-encoding: gzip\r\n\r\n"],
  ] as const)
    test(`is a result without a body: ${name}`, async () => {
      await using target = await startRawTarget(says(`HTTP/1.1 204 No Content\r\n${rest}`));
      await using runner = open(target.url, { connectionsMax: 1 });
      assert.equal(resultOf(await attempt(runner)), "");
      assert.equal(resultOf(await attempt(runner)), "", "the next one, too");
      assert.equal(target.requests.length, 2);
    });
});

test("a 304 is whole with its header, whatever length that names", async () => {
  await using target = await startRawTarget(says("HTTP/1.1 304 X\r\netag: a\r\ncontent-length: 100\r\n\r\n"));
  await using runner = open(target.url);
  const end = await attempt(runner, delivery({ method: "PUT", path: "/process" }));
  assert.ok(end.kind === "failed");
  assert.equal(end.response?.status, 304);
});

test("bytes after a 204 are no response to the next request", async () => {
  const late = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
  let asked = 0;
  await using target = await startRawTarget((socket) => {
    asked += 1;
    if (asked > 1) return void socket.write(whole(200, "good"));
    socket.write("HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\n\r\n");
    setTimeout(() => socket.write(late), 50);
  });
  await using runner = open(target.url, { connectionsMax: 1 });
  assert.equal(resultOf(await attempt(runner)), "");
  assert.equal(resultOf(await attempt(runner)), "good");
});

describe("interim responses", () => {
  for (const [name, interim] of [
    ["an unexpected 100 Continue", proceed],
    ["several", proceed + hints + "HTTP/1.0 102 Processing\r\n\r\n" + proceed],
    ["a status that nobody knows", "HTTP/1.1 199 What\r\nx: y\r\n\r\n"],
  ] as const)
    test(`are ignored: ${name}`, async () => {
      assert.equal(resultOf(await oneAttempt(says(interim, whole(200, "ok")))), "ok");
      assert.equal(
        resultOf(await oneAttempt(says(Buffer.concat([Buffer.from(interim), Buffer.from(whole(200, "ok"))])))),
        "ok",
      );
    });

  test("are ignored byte for byte, on each request of a connection", async () => {
    await using target = await startRawTarget((socket, { nth }) => {
      const bytes = Buffer.concat([Buffer.from(proceed + hints), Buffer.from(whole(200, `ok ${nth}`))]);
      const next = (at: number): unknown =>
        at < bytes.length && socket.write(bytes.subarray(at, at + 1), () => next(at + 1));
      next(0);
    });
    await using runner = open(target.url, { connectionsMax: 1 });
    assert.equal(resultOf(await attempt(runner)), "ok 1");
    assert.equal(resultOf(await attempt(runner)), "ok 2");
    assert.equal(new Set(target.requests.map(({ connection }) => connection)).size, 1);
  });

  test("an upgrade that nobody asked for is none of them: the target broke off", async () => {
    const { isRetryable, isCounted } = failureOf(
      await oneAttempt(says("HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n")),
    );
    assert.deepEqual([isRetryable, isCounted], [true, true]);
  });
});

describe("an error is judged by its status", () => {
  for (const [name, body] of [
    ["whose body never ends", "content-length: 100\r\n\r\nno such sku"],
    ["whose body trickles on", "transfer-encoding: chunked\r\n\r\nb\r\nno such sku\r\n"],
    ["of which only the headers come", "content-length: 100\r\n\r\n"],
  ] as const)
    test(name, async () => {
      for (const [status, isRetryable] of [
        [404, false],
        [422, false],
        [500, true],
      ] as const) {
        const startedAt = performance.now();
        const failure = failureOf(await oneAttempt(says(`HTTP/1.1 ${status} X\r\n${body}`)));
        assert.ok(performance.now() - startedAt < 2_000);
        assert.deepEqual([failure.code, failure.isRetryable, failure.isCounted], ["target-status", isRetryable, true]);
        assert.equal(failure.message, `the target answered ${status}${body.includes("sku") ? ": no such sku" : ""}`);
      }
    });

  test("whose body is cut off", async () => {
    const failure = failureOf(
      await oneAttempt((socket) => {
        socket.write("HTTP/1.1 404 X\r\ncontent-length: 100\r\n\r\nno such sku", () => socket.resetAndDestroy());
      }),
    );
    assert.deepEqual([failure.code, failure.isRetryable], ["target-status", false]);
  });

  test("whose body goes on for ever", async () => {
    const failure = failureOf(
      await oneAttempt((socket) => {
        socket.write("HTTP/1.1 400 X\r\n\r\n");
        const more = (): unknown => socket.destroyed || socket.write("x".repeat(65_536), more);
        more();
      }),
    );
    assert.equal(failure.message, `the target answered 400: ${"x".repeat(500)}`);
  });

  test("and what it says is text that can be stored", async () => {
    const messageAfter = async (body: Uint8Array, headers = ""): Promise<string> =>
      failureOf(await oneAttempt(says(whole(400, body, headers)))).message;
    assert.equal(await messageAfter(gzipSync("no such sku")), "the target answered 400");
    assert.equal(
      await messageAfter(gzipSync("no such sku"), "content-encoding: gzip\r\n"),
      "the target answered 400: no such sku",
    );
    assert.equal(
      await messageAfter(Buffer.from("no\0such sku or\n\tso")),
      "the target answered 400: no\uFFFDsuch sku or\n\tso",
    );
    assert.equal(
      await messageAfter(Buffer.from("x".repeat(499) + "😀")),
      `the target answered 400: ${"x".repeat(499)}\uFFFD`,
    );
  });
});

describe("Retry-After", () => {
  test("is bounded, and leads to no other verdict", async () => {
    for (const [value, ms] of [
      ["7", 7_000],
      ["3600000", 600_000],
      ["Fri, 31 Dec 9999 23:59:59 GMT", 600_000],
      ["45.5", 46_000],
      ["soon", undefined],
      ["5\r\nretry-after: 9", 9_000],
    ] as const) {
      const failure = failureOf(await oneAttempt(says(whole(503, "", `retry-after: ${value}\r\n`))));
      assert.deepEqual([failure.retryAfterMs, failure.isRetryable], [ms, true], value);
    }
  });
});

describe("a connection that the target closed between two requests", () => {
  test("is no failed attempt: the request is sent once more, on a new one", async () => {
    await using target = await startRawTarget((socket, { nth }) => {
      if (nth === 1) socket.write(whole(200, "ok"));
      else socket.destroy();
    });
    await using runner = open(target.url, { connectionsMax: 2 });
    await Promise.all([attempt(runner), attempt(runner)]); // two idle connections, both about to be closed
    assert.equal(target.sockets.size, 2);
    assert.equal(resultOf(await attempt(runner)), "ok");
    assert.equal(target.requests.length, 4);
    const [sent, again] = target.requests.slice(2);
    assert.equal(again?.head.replace("connection: close", "connection: keep-alive"), sent?.head);
  });

  test("with a reset is none either", async () => {
    await using target = await startRawTarget((socket, { nth }) => {
      if (nth === 1) socket.write(whole(200, "ok"));
      else socket.resetAndDestroy();
    });
    await using runner = open(target.url, { connectionsMax: 1 });
    await attempt(runner);
    assert.equal(resultOf(await attempt(runner)), "ok");
  });

  test("is a failed attempt if the target breaks off the new one too: it is not sent again and again", async () => {
    await using target = await startRawTarget((socket, { nth, connection }) => {
      if (connection === 1 && nth === 1) socket.write(whole(200, "ok"));
      else socket.destroy();
    });
    await using runner = open(target.url, { connectionsMax: 1 });
    await attempt(runner);
    for (const requests of [3, 4]) {
      const { isCounted, blame } = failureOf(await attempt(runner)); // the second over a new connection to begin with
      assert.deepEqual([isCounted, blame, target.requests.length], [true, "target", requests]);
    }
  });

  test("is a failed attempt if the target is gone by then, as bytes were sent (I4)", async () => {
    const target: RawTarget = await startRawTarget((socket, { nth }) => {
      if (nth === 1) socket.write(whole(200, "ok"));
      else void target[Symbol.asyncDispose]();
    });
    await using runner = open(target.url, { connectionsMax: 1 });
    await attempt(runner);
    const { isCounted, blame, message } = failureOf(await attempt(runner));
    assert.deepEqual([isCounted, blame], [true, "outage"]);
    assert.match(message, /ECONNREFUSED/);
  });

  test("after a byte of a response is a failed attempt, and is not sent again", async () => {
    for (const byte of ["H", "HTTP/1.1 100 Continue\r\n\r\n"]) {
      await using target = await startRawTarget((socket, { nth }) => {
        if (nth === 1) socket.write(whole(200, "ok"));
        else socket.write(byte, () => socket.destroySoon());
      });
      await using runner = open(target.url, { connectionsMax: 1 });
      await attempt(runner);
      const { isCounted, blame } = failureOf(await attempt(runner));
      assert.deepEqual([isCounted, blame, target.requests.length], [true, "target", 2]);
    }
  });
});

describe("a coded body", () => {
  const text = '{"total":12}';
  for (const [coding, bytes] of [
    ["gzip", gzipSync(text)],
    ["X-GZIP", gzipSync(text)],
    ["deflate", deflateSync(text)],
    ["deflate", deflateRawSync(text)],
    ["br", brotliCompressSync(text)],
    ["zstd", zstdCompressSync(text)],
    ["identity", Buffer.from(text)],
    ["gzip, identity, br", brotliCompressSync(gzipSync(text))],
    ["gzip\r\ncontent-encoding: zstd", zstdCompressSync(gzipSync(text))],
    ["gzip", Buffer.alloc(0)],
  ] as const)
    test(`is stored without its coding: ${JSON.stringify(coding)}, ${bytes.length} bytes`, async () => {
      const headers = `content-encoding: ${coding}\r\ncontent-type: application/json\r\n`;
      const end = await oneAttempt(says(whole(200, bytes, headers)));
      assert.equal(resultOf(end), bytes.length === 0 ? "" : text);
      assert.equal(end.kind === "done" && end.result.contentType, "application/json");
    });

  test("is not what the target was asked for", async () => {
    await using target = await startRawTarget(says(whole(200, "ok")));
    await using runner = open(target.url);
    await attempt(runner);
    assert.match(target.requests[0]?.head ?? "", /\r\naccept-encoding: identity\r\n/);
  });

  test("that nobody knows here is stored as bytes, since the target has done its part", async () => {
    const end = await oneAttempt(says(whole(200, "?!", "content-encoding: x-own\r\ncontent-type: text/csv\r\n")));
    assert.equal(resultOf(end), "?!");
    assert.equal(end.kind === "done" && end.result.contentType, "application/octet-stream");
  });

  test("that is damaged is tried again, and says so", async () => {
    for (const bytes of [Buffer.from("no gzip"), gzipSync(text).subarray(0, -4)]) {
      const failure = failureOf(await oneAttempt(says(whole(200, bytes, "content-encoding: gzip\r\n"))));
      assert.deepEqual([failure.code, failure.isRetryable, failure.isCounted], ["target-encoding", true, true]);
      assert.match(failure.message, /^the target responded 200 with a body that is no gzip: /);
    }
  });

  test("may be a little larger with its coding than the bound of the result", async () => {
    const bytes = randomBytes(1_000);
    assert.ok(gzipSync(bytes).length > 1_000);
    const end = await oneAttempt(says(whole(200, gzipSync(bytes), "content-encoding: gzip\r\n")));
    assert.deepEqual(end.kind === "done" && Buffer.from(end.result.bytes), bytes);
  });

  test("of a kilobyte that grows to a gigabyte ends at the result's bound", async () => {
    const bomb = gzipSync(gzipSync(Buffer.alloc(1_000_000)));
    assert.ok(bomb.length < 1_000);
    for (const [coding, bytes] of [
      ["gzip", gzipSync(Buffer.alloc(100_000))],
      ["gzip, gzip", bomb],
      ["br", brotliCompressSync(Buffer.alloc(1_000_000))],
      ["zstd", zstdCompressSync(Buffer.alloc(1_000_000))],
    ] as const) {
      const failure = failureOf(await oneAttempt(says(whole(200, bytes, `content-encoding: ${coding}\r\n`))));
      assert.deepEqual([failure.code, failure.isRetryable], ["result-too-large", false], coding);
    }
  });
});

describe("the type of a result", () => {
  const typeAfter = async (headers: string): Promise<string | false> => {
    const end = await oneAttempt(says(Buffer.from(whole(200, "ok", headers).toString(), "latin1")));
    return end.kind === "done" && end.result.contentType;
  };
  test("is what the target says, if it is a media type", async () => {
    assert.equal(await typeAfter('content-type: text/plain; charset="utf-8"\r\n'), 'text/plain; charset="utf-8"');
    for (const type of [
      "*/*",
      "json",
      "text/plain\r\ncontent-type: text/html",
      "text/pl\xE4in",
      `text/${"x".repeat(5_000)}`,
      "",
    ])
      assert.equal(await typeAfter(`content-type: ${type}\r\n`), "application/octet-stream", type);
    assert.equal(await typeAfter(""), "application/octet-stream");
  });
});

describe("a failure before a byte of the request was sent is no attempt (I4)", () => {
  const unsent = async (url: string, over: Partial<TargetRunnerOptions> = {}): Promise<string> => {
    await using runner = open(new URL(url), over);
    const { isCounted, isRetryable, blame, code, message } = failureOf(await attempt(runner));
    assert.deepEqual([isCounted, isRetryable, blame, code], [false, true, "outage", "unreachable"], message);
    return message;
  };

  const listening = async (take: (socket: Socket) => void): Promise<Server & AsyncDisposable> => {
    const server = createServer(take).listen(0, "127.0.0.1");
    await once(server, "listening");
    return server;
  };
  const portOf = (server: Server): number => (server.address() as AddressInfo).port;

  test("nothing listens", async () => {
    assert.match(await unsent(`http://127.0.0.1:${await freePort()}`), /cannot be reached: .*ECONNREFUSED/);
  });

  test("TLS does not come about, as the target speaks none", async () => {
    await using server = await listening((socket) => void socket.resume().end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await unsent(`https://127.0.0.1:${portOf(server)}`);
  });

  test("the target breaks off during the handshake", async () => {
    await using server = await listening(
      (socket) => void socket.on("data", () => socket.resetAndDestroy()).on("error", () => {}),
    );
    await unsent(`https://127.0.0.1:${portOf(server)}`);
  });

  test("the connection does not come about in time, which is before the attempt's is over", async () => {
    const sockets: Socket[] = [];
    await using server = await listening((socket) => void sockets.push(socket));
    assert.match(await unsent(`https://127.0.0.1:${portOf(server)}`, { timeoutMs: 600 }), /Connect Timeout/);
    for (const socket of sockets) socket.destroy();
  });

  test("the name leads nowhere", async () => {
    const url = new URL("http://nowhere.invalid");
    await unsent(url.href, { target: plainTarget(url, addressRule({ allow: ["nowhere.invalid"] })) });
  });
});

test("a request that HTTP cannot carry is dead at once, with a sentence", async () => {
  await using runner = open(new URL("http://127.0.0.1:9"));
  const end = failureOf(await attempt(runner, delivery({ headers: { "ce-subject": "a\u20acb" } })));
  assert.deepEqual([end.code, end.isRetryable, end.blame], ["unsendable", false, "request"]);
  assert.match(end.message, /^the request cannot be sent to http:\/\/127\.0\.0\.1:9: invalid ce-subject header/);
});

test("an attempt that is cut off before its connection is there sends nothing later", async () => {
  await using target = await startRawTarget(says(whole(200, "ok")));
  await using runner = open(target.url);
  const cut = new AbortController();
  const running = runner.run(delivery(), { signal: cut.signal, progress: () => {} });
  cut.abort(new Error("stop"));
  await assert.rejects(running, /stop/);
  await assert.rejects(runner.run(delivery(), { signal: cut.signal, progress: () => {} }), /stop/);
  assert.equal(resultOf(await attempt(runner)), "ok");
  assert.equal(target.requests.length, 1);
});
