// Real sockets at both ends: what B may say or do, and what the client may.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setImmediate, setTimeout } from "node:timers/promises";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { freePort, startRawTarget, type RawRequest, type RawTarget } from "@sluice/testing";
import { pino } from "pino";
import { SluiceError } from "../../core/errors.ts";
import { addressRule } from "../../outbound/address-rule.ts";
import { problemOf } from "../problem.ts";
import { openPassThrough, type PassThrough, type PassThroughOptions } from "./pass-through.ts";

interface Front extends AsyncDisposable {
  readonly port: number;
  readonly passing: PassThrough;
  readonly server: Server;
  /** Of the log. */
  readonly lines: readonly string[];
}

/** A front that passes everything. */
async function openFront(url: URL, over: Partial<PassThroughOptions> = {}): Promise<Front> {
  const lines: string[] = [];
  const passing = openPassThrough({
    url,
    rule: addressRule({ allow: ["127.0.0.1"] }),
    connectionsMax: 50,
    timeoutMs: 5_000,
    idleTimeoutMs: 5_000,
    log: pino({}, { write: (line: string) => lines.push(line) }),
    ...over,
  });
  const answer = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      await passing.pass(incoming, response, {
        target: String(incoming.url),
        headers: { "x-forwarded-for": "192.0.2.1" },
      });
    } catch (error) {
      assert.ok(error instanceof SluiceError, String(error));
      const { status, document, retryAfterSeconds } = problemOf(error);
      if (retryAfterSeconds !== undefined) response.setHeader("retry-after", retryAfterSeconds);
      response.writeHead(status);
      response.end(document);
    }
  };
  const server = createServer({ joinDuplicateHeaders: true }, (incoming, response) => void answer(incoming, response));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    port: (server.address() as AddressInfo).port,
    passing,
    server,
    lines,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await passing.close();
    },
  };
}

type Respond = (socket: Socket, request: RawRequest) => void;

interface Setup extends AsyncDisposable {
  readonly target: RawTarget;
  readonly front: Front;
}

async function setUp(respond: Respond, over: Partial<PassThroughOptions> = {}): Promise<Setup> {
  await using resources = new AsyncDisposableStack();
  const target = resources.use(await startRawTarget(respond));
  const front = resources.use(await openFront(new URL(`http://127.0.0.1:${target.port}`), over));
  const owned = resources.move();
  return { target, front, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

interface Answer {
  readonly head: string;
  readonly body: Buffer;
  readonly isReset: boolean;
}

/** Sends these bytes, and reads until the other side ends the connection. */
async function send(port: number, bytes: string | Uint8Array): Promise<Answer> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  let isReset = false;
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", (error: NodeJS.ErrnoException) => (isReset = error.code === "ECONNRESET"));
  socket.write(bytes);
  await new Promise((resolve) => socket.on("close", resolve));
  const all = Buffer.concat(chunks);
  const at = all.indexOf("\r\n\r\n");
  return { head: all.toString("latin1", 0, at + 2), body: all.subarray(at + 4), isReset };
}

function get(path = "/", headers = "", method = "GET"): string {
  return `${method} ${path} HTTP/1.1\r\nhost: front\r\n${headers}connection: close\r\n\r\n`;
}

function says(...parts: readonly (string | Uint8Array)[]): Respond {
  return (socket) => parts.forEach((part) => socket.write(part));
}

function statusOf({ head }: Answer): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
}

async function answerTo(respond: Respond, request = get(), over: Partial<PassThroughOptions> = {}): Promise<Answer> {
  await using sut = await setUp(respond, over);
  return await send(sut.front.port, request);
}

/** Until it holds, or the test's own time is over. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await setTimeout(5);
}

const ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

describe("the request that B sees", () => {
  test("has the client's own method, path, headers and their case, but those of one connection", async () => {
    await using sut = await setUp(says(ok), { targetHeaders: { "x-token": "secret" } });
    const headers = `X-Own: a\r\nx-own: b\r\nCookie: c=1\r\nAuthorization: Basic eA==\r\nX-Drop: 1\r\nTE: trailers\r\nExpect: 100-continue\r\n`;
    const forged = `X-Forwarded-For: 6.6.6.6\r\nX-Token: mine\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: websocket\r\n`;
    const more = `Connection: x-drop, upgrade\r\nIf-None-Match: "e"\r\nRange: bytes=0-1\r\nAccept-Encoding: gzip\r\n`;
    const answer = await send(sut.front.port, get("/a%2Fb/%c3%A9;x?q=%20&q=1", headers + forged + more));
    assert.match(answer.body.toString(), /^(HTTP[^]*\r\n\r\n)?ok$/, "after 100 Continue");
    const [first, ...lines] = (sut.target.requests[0]?.head ?? "").trim().split("\r\n");
    assert.equal(first, "GET /a%2Fb/%c3%A9;x?q=%20&q=1 HTTP/1.1");
    assert.deepEqual(lines, [
      `host: 127.0.0.1:${sut.target.port}`,
      "connection: keep-alive",
      "X-Own: a",
      "x-own: b",
      "Cookie: c=1",
      "Authorization: Basic eA==",
      'If-None-Match: "e"',
      "Range: bytes=0-1",
      "Accept-Encoding: gzip",
      "x-token: secret",
      "x-forwarded-for: 192.0.2.1",
    ]);
  });

  test("has its path below that of the target", async () => {
    await using target = await startRawTarget(says(ok));
    for (const path of ["app", "app/"]) {
      await using front = await openFront(new URL(`http://127.0.0.1:${target.port}/${path}`));
      await send(front.port, get("/x?y"));
      assert.match(target.requests.at(-1)?.head ?? "", /^GET \/app\/x\?y HTTP/);
    }
    assert.throws(() => openPassThrough({ url: new URL("http://b/app?x=1") } as PassThroughOptions), {
      code: "bad-config",
    });
  });

  test("has a body where the client sends one, whole", async () => {
    const seen: string[] = [];
    const b = createServer((incoming, response) => {
      void text(incoming).then((body) => {
        seen.push(`${incoming.method} ${body}`);
        return response.end("ok");
      });
    });
    await once(b.listen(0, "127.0.0.1"), "listening");
    await using front = await openFront(new URL(`http://127.0.0.1:${(b.address() as AddressInfo).port}`));
    assert.equal(statusOf(await send(front.port, `${get("/", "content-length: 5\r\n")}hello`)), 200);
    const chunked = `${get("/", "transfer-encoding: chunked\r\n", "OPTIONS")}5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n`;
    assert.equal(statusOf(await send(front.port, chunked)), 200);
    assert.equal(statusOf(await send(front.port, get("/", "content-length: 0\r\n"))), 200);
    b.close();
    assert.deepEqual(seen, ["GET hello", "OPTIONS hello!", "GET "]);
  });

  test("is broken off where the client breaks it off", async () => {
    let isBroken = false;
    const b = createTcpServer((socket) => {
      socket.on("error", () => {}).resume();
      socket.on("close", () => (isBroken = true));
    });
    await once(b.listen(0, "127.0.0.1"), "listening");
    await using front = await openFront(new URL(`http://127.0.0.1:${(b.address() as AddressInfo).port}`));
    const client = connect(front.port, "127.0.0.1");
    client.write(`${get("/", "content-length: 5\r\n")}hel`);
    await until(() => front.passing.running === 1);
    client.destroy();
    await until(() => isBroken && front.passing.running === 0);
    b.close();
  });

  test("has a body that B reads in its own time: the client is held up, and no memory fills", async () => {
    const sockets = new Set<Socket>();
    const b = createTcpServer({ pauseOnConnect: true }, (socket) => void sockets.add(socket.on("error", () => {})));
    await once(b.listen(0, "127.0.0.1"), "listening");
    await using front = await openFront(new URL(`http://127.0.0.1:${(b.address() as AddressInfo).port}`));
    const client = connect(front.port, "127.0.0.1").on("error", () => {});
    client.write(get("/", "content-length: 1000000000000\r\n"));
    const chunk = Buffer.alloc(256 * 1024);
    const more = (): void => {
      while (!client.destroyed && client.write(chunk));
    };
    client.on("drain", more);
    more();
    const sent = (): number => client.bytesWritten - client.writableLength;
    for (let before = -1; sent() !== before || sent() < chunk.length; await setTimeout(100)) before = sent();
    assert.ok(sent() < 64 * 1024 * 1024, `${sent()} bytes fit the kernel's buffers`);
    client.destroy();
    for (const socket of sockets) socket.destroy();
    b.close();
    await until(() => front.passing.running === 0);
  });

  test("cannot smuggle a second one", async () => {
    await using sut = await setUp(says(ok));
    const shapes = [
      "GET / HTTP/1.1\r\nhost: f\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nhost: f\r\ncontent-length: 5\r\ncontent-length: 0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nhost: f\r\nx: a\nGET /evil HTTP/1.1\r\n\r\n",
      "GET /\rx HTTP/1.1\r\nhost: f\r\n\r\n",
      "GET / HTTP/1.1\r\nhost: f\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n\r\n",
    ];
    for (const shape of shapes) assert.equal(statusOf(await send(sut.front.port, shape)), 400, shape);
    const body = "GET /evil HTTP/1.1\r\nhost: b\r\n\r\n";
    await send(sut.front.port, `${get("/", `content-length: ${body.length}\r\n`)}${body}`);
    await send(sut.front.port, get("/ok"));
    assert.deepEqual(
      sut.target.requests.map(({ head }) => head.split("\r\n", 1)[0]),
      ["GET / HTTP/1.1", "GET /ok HTTP/1.1"],
    );
    assert.equal(sut.target.requests[0]?.body.toString(), body);
  });
});

describe("the response that the client sees", () => {
  test("has B's own status, reason, headers and bytes", async () => {
    const body = gzipSync("hello");
    const kept = [
      "Content-Type: text/plain",
      "Content-Encoding: gzip",
      `Content-Length: ${body.length}`,
      'ETag: "x"',
      "Set-Cookie: a=1",
      "Set-Cookie: b=2; Expires=Wed, 21 Oct 2015 07:28:00 GMT",
      "Date: Wed, 21 Oct 2015 07:28:00 GMT",
      "Server: B",
      "X-Latin: \u00e9\u00ff",
      "constructor: c",
      "__proto__: p",
      "Via: 1.1 inner",
    ];
    const dropped = ["Keep-Alive: timeout=9", "X-Drop: 1", "Connection: x-drop", "Trailer: x", "Proxy-Connection: y"];
    const head = ["HTTP/1.1 206 Some Of It", ...kept, ...dropped].join("\r\n");
    const answer = await answerTo(says(Buffer.from(`${head}\r\n\r\n`, "latin1"), body));
    assert.deepEqual(answer.head.trim().split("\r\n"), [
      "HTTP/1.1 206 Some Of It",
      ...kept,
      "Via: 1.1 sluice",
      "Connection: close",
    ]);
    assert.deepEqual(answer.body, body);
  });

  test("a body without a length comes in chunks, one in chunks as well, and trailers are dropped", async () => {
    const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-trailer: 1\r\n\r\n";
    const answer = await answerTo(says(chunked));
    assert.match(answer.head, /transfer-encoding: chunked/i);
    assert.equal(answer.body.toString(), "5\r\nhello\r\n0\r\n\r\n");
    const ended = await answerTo((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\nhello"));
    assert.equal(ended.body.toString(), "5\r\nhello\r\n0\r\n\r\n");
    const old = await answerTo(says(chunked), "GET / HTTP/1.0\r\nhost: f\r\n\r\n");
    assert.equal(old.body.toString(), "hello");
    assert.doesNotMatch(old.head, /transfer-encoding/i);
  });

  test("any bytes arrive as they are, in one piece or in several", async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const head = "HTTP/1.1 200 OK\r\ncontent-length: 512\r\n\r\n";
    const whole = await answerTo(says(Buffer.concat([Buffer.from(head), bytes, bytes])));
    assert.deepEqual(whole.body, Buffer.concat([bytes, bytes]));
    const pieces = await answerTo((socket) => {
      socket.write(Buffer.concat([Buffer.from(head), bytes]));
      void setTimeout(20).then(() => socket.write(bytes));
    });
    assert.deepEqual(pieces.body, Buffer.concat([bytes, bytes]));
    const coded = Buffer.concat([Buffer.from("80\r\n"), bytes.subarray(128), Buffer.from("\r\n")]);
    const headOfChunks = Buffer.from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    const chunks = await answerTo(says(Buffer.concat([headOfChunks, coded, coded, Buffer.from("0\r\n\r\n")])));
    assert.deepEqual(chunks.body, Buffer.concat([coded, coded, Buffer.from("0\r\n\r\n")]));
  });

  test("interim responses are passed over", async () => {
    const answer = await answerTo(
      says("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", ok),
    );
    assert.equal(`${statusOf(answer)} ${answer.body.toString()}`, "200 ok");
  });

  for (const [name, method, response, expected] of [
    ["HEAD", "HEAD", "200 OK\r\ncontent-length: 1000", /^HTTP\/1\.1 200 .*content-length: 1000\r\n/s],
    ["HEAD of chunks", "HEAD", "200 OK\r\ntransfer-encoding: chunked", /^HTTP\/1\.1 200 /],
    [
      "304 with the length of what it stands for",
      "GET",
      '304 X\r\nETag: "e"\r\ncontent-length: 1000',
      /ETag.*length: 1000/s,
    ],
    ["204", "GET", "204 No Content", /^HTTP\/1\.1 204 /],
    ["204 with a length", "GET", "204 No Content\r\ncontent-length: 5", /^(?!.*content-length)/s],
    ["204 with chunks", "GET", "204 X\r\ntransfer-encoding: chunked", /^HTTP\/1\.1 204 /],
  ] as const) {
    test(`${name}: no body, and the next request is unaffected`, async () => {
      await using sut = await setUp((socket, { head }) =>
        socket.write(head.includes("/next") ? ok : `HTTP/1.1 ${response}\r\n\r\n`),
      );
      const request = `${method} / HTTP/1.1\r\nhost: f\r\n\r\n`;
      const answer = await send(sut.front.port, request + get("/next"));
      assert.match(answer.head, expected);
      assert.match(answer.body.toString(), /^HTTP\/1\.1 200 [^]*\r\n\r\nok$/);
    });
  }

  test("a connection whose 204 promises chunks carries no other request", async () => {
    await using sut = await setUp(says("HTTP/1.1 204 X\r\ntransfer-encoding: chunked\r\n\r\n"));
    for (let at = 0; at < 2; at += 1) assert.equal(statusOf(await send(sut.front.port, get())), 204);
    assert.deepEqual(
      sut.target.requests.map(({ nth }) => nth),
      [1, 1],
    );
  });

  test("a target that trickles reaches the client byte by byte, its headers first", async () => {
    await using sut = await setUp(() => {});
    const client = connect(sut.front.port, "127.0.0.1").setEncoding("latin1");
    let seen = "";
    client.on("data", (text: string) => (seen += text));
    client.write(get());
    await until(() => sut.target.sockets.size === 1 && sut.target.requests.length === 1);
    const [b] = [...sut.target.sockets];
    b?.write("HTTP/1.1 200 OK\r\n");
    b?.write("content-length: 3\r\n\r\n");
    await until(() => seen.includes("\r\n\r\n"));
    for (const byte of "abc") {
      b?.write(byte);
      await until(() => seen.endsWith(byte));
    }
    client.destroy();
  });

  test("pipelined requests get their responses in order", async () => {
    await using sut = await setUp((socket, { head }) => {
      const [, path = ""] = head.split(" ");
      const respond = (): boolean => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${path.length}\r\n\r\n${path}`);
      if (path === "/0") void setTimeout(50).then(respond);
      else respond();
    });
    const paths = Array.from({ length: 20 }, (_, at) => `/${at}`);
    const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\nhost: f\r\n\r\n`).join("");
    const answer = await send(sut.front.port, requests + get("/end"));
    const all = `${answer.head}\r\n${answer.body.toString()}`;
    assert.deepEqual(
      [...all.matchAll(/\r\n\r\n(\/(?:end|\d+))/g)].map(([, path]) => path),
      [...paths, "/end"],
    );
  });
});

describe("what goes wrong", () => {
  test("a target that is not there is 502, and the client does not learn where it is", async () => {
    await using front = await openFront(new URL(`http://127.0.0.1:${await freePort()}`));
    for (let at = 0; at < 3; at += 1) {
      const answer = await send(front.port, get());
      assert.equal(statusOf(answer), 502);
      assert.match(answer.body.toString(), /"unreachable"/);
      assert.doesNotMatch(answer.body.toString(), /127\.0\.0\.1|ECONN/);
    }
    assert.equal(front.lines.length, 1, "the log says so once");
    assert.match(front.lines[0] ?? "", /ECONNREFUSED/);
  });

  test("an address that may not be called is 502", async () => {
    const answer = await answerTo(says(ok), get(), { rule: addressRule({}) });
    assert.equal(statusOf(answer), 502);
    assert.match(answer.body.toString(), /"address-refused"/);
    assert.doesNotMatch(answer.body.toString(), /127\.0\.0\.1/);
  });

  test("a target that does not respond in time is 504, and its connection ends", async () => {
    await using sut = await setUp(() => {}, { timeoutMs: 50 });
    const answer = await send(sut.front.port, get());
    assert.equal(statusOf(answer), 504);
    await until(() => sut.target.sockets.size === 0 && sut.front.passing.running === 0);
  });

  const refused: readonly (readonly [string, string])[] = [
    ["no HTTP", "hello\r\n\r\n"],
    ["the end", ""],
    ["half a head", "HTTP/1.1 200 OK\r\nx: "],
    ["100,000 header lines", `HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(100_000)}\r\n`],
    ["one header of a megabyte", `HTTP/1.1 200 OK\r\na: ${"b".repeat(1_000_000)}\r\n\r\n`],
    ["an upgrade that nobody asked for", "HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"],
    ["a transfer coding that nobody asked for", "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"],
    [
      "a length beside chunks",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    ],
    ["a zero byte in a header", "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n"],
  ];
  for (const [name, response] of refused) {
    test(`a target that says ${name} is 502`, async () => {
      const answer = await answerTo((socket) => socket.end(response));
      assert.equal(statusOf(answer), 502);
    });
  }

  for (const [name, head] of [
    ["a length", "content-length: 10\r\n\r\nhello"],
    ["chunks", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"],
  ] as const) {
    test(`a body with ${name} that breaks off breaks the client's connection`, async () => {
      const breaks: Respond = (socket) => socket.end(`HTTP/1.1 200 OK\r\n${head}`);
      const answer = await answerTo(breaks);
      assert.equal(statusOf(answer), 200);
      assert.match(answer.body.toString(), /hello(\r\n)?$/);
      const old = await answerTo((socket) => {
        socket.write(`HTTP/1.1 200 OK\r\n${head}`);
        void setTimeout(50).then(() => socket.destroy());
      }, "GET / HTTP/1.0\r\nhost: f\r\n\r\n");
      assert.ok(old.isReset || /content-length: 10/.test(old.head), "HTTP/1.0 sees no end");
    });
  }

  test("a body that stops is broken off", async () => {
    const stops = says("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello");
    const answer = await answerTo(stops, get(), { idleTimeoutMs: 50 });
    assert.equal(answer.body.toString(), "hello");
  });

  test("a client that goes away ends the call to B, before and within the body", async () => {
    for (const response of ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello"]) {
      await using sut = await setUp(says(response));
      const client = connect(sut.front.port, "127.0.0.1");
      client.write(get());
      if (response === "") await until(() => sut.target.requests.length === 1);
      else await once(client, "data");
      client.destroy();
      await until(() => sut.target.sockets.size === 0 && sut.front.passing.running === 0);
      assert.deepEqual(sut.front.lines, []);
    }
  });

  test("one more than may run at once is 503, and the next one runs", async () => {
    await using sut = await setUp(() => {}, { connectionsMax: 2 });
    const clients = [connect(sut.front.port, "127.0.0.1"), connect(sut.front.port, "127.0.0.1")];
    for (const client of clients) client.write(get());
    await until(() => sut.target.requests.length === 2);
    const answer = await send(sut.front.port, get());
    assert.equal(statusOf(answer), 503);
    assert.match(answer.head, /retry-after: 1\r\n/i);
    assert.match(answer.body.toString(), /"overloaded"/);
    for (const client of clients) client.destroy();
    await until(() => sut.front.passing.running === 0);
    const last = connect(sut.front.port, "127.0.0.1");
    last.write(get("/last"));
    await until(() => sut.target.requests.some(({ head }) => head.startsWith("GET /last")));
    last.destroy();
  });

  test("a request that an idle connection lost is sent again, once, unless it has a body", async () => {
    await using sut = await setUp((socket, { nth }) => {
      if (nth === 1) socket.write(ok);
      else socket.destroy(); // as a server that closes an idle connection just then
    });
    assert.equal(statusOf(await send(sut.front.port, get("/1"))), 200);
    await setImmediate();
    assert.equal(statusOf(await send(sut.front.port, get("/2"))), 200);
    assert.deepEqual(
      sut.target.requests.map(({ connection, nth }) => `${connection}.${nth}`),
      ["1.1", "1.2", "2.1"],
    );
    assert.equal(statusOf(await send(sut.front.port, get("/3"))), 200);
    await setImmediate();
    assert.equal(statusOf(await send(sut.front.port, `${get("/4", "content-length: 1\r\n")}x`)), 502);
  });
});

describe("a client that reads slowly, or never", () => {
  const chunk = Buffer.alloc(256 * 1024, "x");

  /** B, which sends for as long as it is read. */
  async function startEndless(): Promise<{ readonly url: URL; readonly sent: () => number } & AsyncDisposable> {
    let bytes = 0;
    const sockets = new Set<Socket>();
    const b = createTcpServer((socket) => {
      sockets.add(socket);
      const more = (): void => {
        while (!socket.destroyed && socket.write(chunk, () => (bytes += chunk.length)));
      };
      socket.on("error", () => {}).on("drain", more);
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n");
        more();
      });
    });
    await once(b.listen(0, "127.0.0.1"), "listening");
    return {
      url: new URL(`http://127.0.0.1:${(b.address() as AddressInfo).port}`),
      sent: () => bytes,
      async [Symbol.asyncDispose]() {
        b.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  }

  test("holds up B, needs no memory, and is cut off when it reads nothing for too long", async () => {
    await using b = await startEndless();
    await using front = await openFront(b.url, { idleTimeoutMs: 600 });
    const client = connect(front.port, "127.0.0.1").pause();
    client.on("error", () => {});
    client.write(get());
    let before = -1;
    for (let sent = 0; sent !== before || sent === 0; sent = b.sent()) {
      before = sent;
      await setTimeout(100);
    }
    assert.ok(before < 64 * 1024 * 1024, `${before} bytes fit the kernel's buffers`);
    await until(() => front.passing.running === 0);
    client.destroy();
  });

  test("gets a long response whole while it reads in steps", async () => {
    const megabytes = 64;
    const b = createServer((_, response) => {
      let left = megabytes * 4;
      const more = (): void => {
        while (left > 0 && ((left -= 1), response.write(chunk)));
        if (left === 0) response.end();
        else response.once("drain", more);
      };
      more();
    });
    await once(b.listen(0, "127.0.0.1"), "listening");
    await using front = await openFront(new URL(`http://127.0.0.1:${(b.address() as AddressInfo).port}`));
    const client = connect(front.port, "127.0.0.1");
    client.write(get());
    let bytes = 0;
    client.on("data", (piece: Buffer) => {
      bytes += piece.length;
      client.pause();
      globalThis.setImmediate(() => client.resume());
    });
    await once(client, "close");
    b.close();
    assert.ok(bytes >= megabytes * 1024 * 1024, `${bytes}`);
  });
});
