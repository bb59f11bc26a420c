// Where messages begin and end on a connection, over real HTTP.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const intake = "/v1/queues/orders/requests";
const batches = "/v1/queues/orders/batches";

describe("the messages of a connection", () => {
  let sut: GatewayUnderTest;
  before(async () => {
    sut = await GatewayUnderTest.open();
  });
  after(() => sut[Symbol.asyncDispose]());

  test("an expectation that nobody knows is passed over", async () => {
    const head = "GET /livez HTTP/1.1\r\nhost: localhost\r\nexpect: tea\r\nconnection: close\r\n\r\n";
    assert.match(await sut.raw(head), /^HTTP\/1.1 200 /);
  });

  test("an upgrade is passed over, with its body, and nothing behind it is taken for a message", async () => {
    const upgrade = "host: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n";
    const smuggled = `POST ${batches} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{"body":1}`;
    const head = `POST ${intake} HTTP/1.1\r\n${upgrade}content-length: 5\r\n\r\n`;
    for (const behind of [[smuggled], ["", smuggled]]) {
      const answer = await sut.raw(`${head}hello${behind[0] ?? ""}`, ...behind.slice(1));
      assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 202"]);
      assert.match(answer, /connection: close/i);
    }
  });

  test("a path that is none ends its connection: nothing checked what it came with", async () => {
    const get = "GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    const answer = await sut.raw(`GET /%zz HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n${get}`);
    assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 404"]);
  });

  test("what is no HTTP gets no answer in the middle of another one, nor behind the answer to its own head", async () => {
    const stream = connect(Number(new URL(sut.url).port), "127.0.0.1").setEncoding("utf8");
    stream.write("GET /v1/overview/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    const [begun] = (await once(stream, "data")) as [string];
    stream.write("no http\r\n\r\n");
    const rest = await text(stream);
    assert.deepEqual(`${begun}${rest}`.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200"]);
    const chunked = "POST /v1/queues/nobody/requests HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    const answered = await sut.raw(`${chunked}3\r\nabc\r\n`, "no chunk\r\n");
    assert.deepEqual(answered.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 404"]);
  });

  const http = (head: string, body = "1\r\nx\r\n0\r\n\r\n"): string =>
    `POST ${intake} HTTP/1.1\r\nidempotency-key: framed\r\n${head}\r\n\r\n${body}`;
  for (const [what, message] of [
    ["two Host headers", http("host: localhost\r\nhost: b\r\ncontent-length: 1", "x")],
    ["two equal Host headers", http("host: localhost\r\nhost: localhost\r\ncontent-length: 1", "x")],
    ["no Host", http("content-length: 1", "x")],
    ["a Host that is none", http("host: a/b\r\ncontent-length: 1", "x")],
    ["a coding before chunked", http("host: localhost\r\ntransfer-encoding: gzip, chunked")],
    [
      "a coding before chunked, on a line of its own",
      http("host: localhost\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked"),
    ],
    ["chunked twice", http("host: localhost\r\ntransfer-encoding: chunked, chunked")],
    ["chunked not at the end", http("host: localhost\r\ntransfer-encoding: chunked, gzip")],
    ["an unknown coding", http("host: localhost\r\ntransfer-encoding: identity", "x")],
    ["HTTP/1.0 with chunked", http("host: localhost\r\ntransfer-encoding: chunked").replace("HTTP/1.1", "HTTP/1.0")],
    ["a length and chunked", http("host: localhost\r\ntransfer-encoding: chunked\r\ncontent-length: 1")],
    ["two lengths", http("host: localhost\r\ncontent-length: 1\r\ncontent-length: 1", "x")],
    ["a list of lengths", http("host: localhost\r\ncontent-length: 1, 1", "x")],
    ["a length with a sign", http("host: localhost\r\ncontent-length: +1", "x")],
    ["a length beyond all", http("host: localhost\r\ncontent-length: 99999999999999999999", "x")],
    ["a length of a fraction", http("host: localhost\r\ncontent-length: 1.0", "x")],
    ["a chunk size that is none", http("host: localhost\r\ntransfer-encoding: chunked", "g\r\nx\r\n0\r\n\r\n")],
    ["space before the colon", http("host: localhost\r\ncontent-length : 1", "x")],
    ["a folded line", http("host: localhost\r\nx: a\r\n b\r\ncontent-length: 1", "x")],
  ] as const) {
    test(`faulty framing is 400, ends the connection, and nothing is stored: ${what}`, async () => {
      const smuggled = `POST ${intake} HTTP/1.1\r\nhost: localhost\r\nidempotency-key: framed\r\ncontent-length: 1\r\n\r\ny`;
      const answer = await sut.raw(message + smuggled); // ends when the server hangs up
      assert.match(answer, /^HTTP\/1.1 400 [^]*connection: close/i);
      assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1, answer);
      assert.deepEqual((await sut.fetch("/v1/requests?key=framed")).json.requests, []);
    });
  }

  test("what is no HTTP is 400, headers over the limit are 431", async () => {
    assert.match(await sut.raw("HELLO\r\n\r\n"), /^HTTP\/1.1 400 [^]*application\/problem\+json[^]*"bad-request"/);
    const headers = `GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(17_000)}\r\n\r\n`;
    assert.match(await sut.raw(headers), /^HTTP\/1.1 431 [^]*"headers-too-large"/);
  });
});

test("headers or a body that arrive too slowly are 408", async () => {
  await using sut = await GatewayUnderTest.open({ limits: { headersTimeoutMs: 200, requestTimeoutMs: 300 } });
  const [headers, body] = await Promise.all([
    sut.raw("POST /v1/queues/orders/requests HTTP/1.1\r\nhost: localhost\r\n"),
    sut.raw("POST /v1/queues/orders/requests HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n", "abc"),
  ]);
  assert.match(headers, /^HTTP\/1.1 408 [^]*"too-slow"/);
  assert.match(body, /^HTTP\/1.1 408 [^]*"too-slow"/);
});
