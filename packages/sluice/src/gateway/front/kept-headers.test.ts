import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { startRawTarget } from "@sluice/testing";
import { request } from "undici";
import { keptHeadersBytesMax } from "../../core/header-names.ts";
import { keptHeaderRule, keptHeaders } from "./kept-headers.ts";

const all = keptHeaderRule(undefined);

function kept(rawHeaders: readonly string[], patterns?: readonly string[]): Record<string, string> {
  return { ...keptHeaders(keptHeaderRule(patterns), rawHeaders) };
}

test("by default all is kept that is not of one connection, of this message, a secret, or set by Sluice", () => {
  const dropped =
    `Connection Keep-Alive Proxy-Connection TE Trailer Transfer-Encoding Upgrade Host Content-Length Content-Type
    Expect Authorization Proxy-Authorization Cookie Prefer Idempotency-Key Sluice-Attempt Forwarded Via X-Forwarded-For
    X-Forwarded-Prefix X-Real-IP`.split(/\s+/);
  const lines = [...dropped, "X-GitHub-Event", "User-Agent", "Traceparent"].flatMap((name) => [name, "v"]);
  assert.deepEqual(kept(lines), { "x-github-event": "v", "user-agent": "v", traceparent: "v" });
});

test("what a Connection field names is not kept, in any case and place", () => {
  const lines = ["X-One", "1", "X-Two", "2", "Connection", "close, x-ONE", "connection", "X-Two", "X-Three", "3"];
  assert.deepEqual(kept(lines), { "x-three": "3" });
  assert.deepEqual(kept(lines, ["x-*"]), { "x-three": "3" });
});

test("a list keeps what it has, and a secret by its own name only", () => {
  const lines = ["X-A", "1", "X-B", "2", "Authorization", "s", "Cookie", "c", "Sluice-Key", "k", "Host", "h"];
  assert.deepEqual(kept(lines, ["x-a"]), { "x-a": "1" });
  assert.deepEqual(kept(lines, ["*"]), { "x-a": "1", "x-b": "2" });
  assert.deepEqual(kept(lines, ["*", "Authorization"]), { "x-a": "1", "x-b": "2", authorization: "s" });
  assert.deepEqual(kept(lines, []), {});
});

test("a list that names what is never kept is refused", () => {
  for (const name of [
    "Host",
    "connection",
    "te",
    "content-length",
    "idempotency-key",
    "sluice-queue",
    "via",
    "expect",
  ]) {
    assert.throws(() => keptHeaderRule(["x-a", name], "front.routes./a.headers"), {
      code: "bad-config",
      message: new RegExp(`^front\\.routes\\./a\\.headers cannot keep ${name.toLowerCase()}:`),
    });
  }
});

test("fields of one name are joined, and no name is taken for a property of objects", () => {
  const lines = ["x-a", "1", "constructor", "2", "X-A", "3", "__proto__", "4", "cookie", "a=1", "cookie", "b=2"];
  const object = keptHeaders(keptHeaderRule(["*", "cookie"]), lines);
  assert.deepEqual(Object.entries(object), [
    ["x-a", "1, 3"],
    ["constructor", "2"],
    ["__proto__", "4"],
    ["cookie", "a=1; b=2"],
  ]);
});

test("kept names and values have a bound together, whatever is not kept has none", () => {
  const value = "v".repeat(keptHeadersBytesMax - 1);
  assert.equal(kept(["a", value, "cookie", value])["a"], value);
  assert.throws(() => kept(["a", `${value}v`]), { code: "headers-too-large" });
  const many = Array.from({ length: keptHeadersBytesMax / 4 }, () => ["a", "v"]).flat();
  assert.throws(() => kept([...many, "a", value]), { code: "headers-too-large" });
  assert.throws(() => kept(Array.from({ length: 9_000 }, (_, at) => [`n${at}`, ""]).flat()), {
    code: "headers-too-large",
  });
});

test("any value that Node lets in reaches a target byte for byte, through JSON", async () => {
  await using target = await startRawTarget((socket) => socket.write("HTTP/1.1 204 X\r\n\r\n"));
  const seen: Record<string, string>[] = [];
  const server = createServer((incoming, response) => {
    seen.push(keptHeaders(all, incoming.rawHeaders));
    response.end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  try {
    const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte >= 0x20 && byte !== 0x7f);
    const unit = fc.constantFrom(...bytes, 9).map((byte) => String.fromCharCode(byte));
    await fc.assert(
      fc.asyncProperty(fc.string({ unit, minLength: 1, maxLength: 50 }), async (value) => {
        const socket = connect(port, "127.0.0.1");
        socket.end(Buffer.from(`GET / HTTP/1.1\r\nhost: b\r\nx-v: <${value}>\r\nconnection: close\r\n\r\n`, "latin1"));
        await once(socket.resume(), "close");
        const stored = JSON.parse(JSON.stringify(seen.pop())) as Record<string, string>;
        await (await request(target.url, { headers: stored })).body.dump();
        assert.ok(target.requests.at(-1)?.head.includes(`\r\nx-v: <${value}>\r\n`), JSON.stringify(value));
      }),
      { numRuns: 40 },
    );
  } finally {
    server.close();
  }
});
