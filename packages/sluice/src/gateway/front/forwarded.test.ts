import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { originOf, trustedProxies, type Arrival, type Origin } from "./forwarded.ts";

const none = trustedProxies([]);
const proxies = trustedProxies(["10.0.0.0/8", "2001:db8::/32"]);

function from(peerAddress: string, rawHeaders: readonly string[], over: Partial<Arrival> = {}): Arrival {
  return {
    peerAddress,
    isSecure: false,
    httpVersion: "1.1",
    rawHeaders: ["Host", "front.example", ...rawHeaders],
    ...over,
  };
}

const told = Object.entries({
  "X-Forwarded-For": "203.0.113.9",
  "X-Forwarded-Proto": "https",
  "X-Forwarded-Host": "hooks.example",
  Forwarded: "for=198.51.100.1;proto=https",
  "X-Forwarded-Port": "443",
  "X-Real-IP": "203.0.113.9",
}).flat();

function parts({ clientAddress, clientOrigin }: Origin): readonly string[] {
  return [clientAddress, clientOrigin];
}

test("what a peer that is not listed says is replaced", () => {
  const origin = originOf(from("192.0.2.1", told), proxies);
  assert.deepEqual(origin, {
    clientAddress: "192.0.2.1",
    clientOrigin: "http://front.example",
    headers: {
      forwarded: "for=192.0.2.1;host=front.example;proto=http",
      "x-forwarded-for": "192.0.2.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "front.example",
      via: "1.1 sluice",
    },
  });
});

test("what a listed proxy says is believed, and appended to", () => {
  const origin = originOf(from("::ffff:10.1.2.3", told), proxies);
  assert.deepEqual(origin, {
    clientAddress: "203.0.113.9",
    clientOrigin: "https://hooks.example",
    headers: {
      "x-forwarded-port": "443",
      "x-real-ip": "203.0.113.9",
      forwarded: "for=203.0.113.9;host=hooks.example;proto=https, for=10.1.2.3;host=front.example;proto=http",
      "x-forwarded-for": "203.0.113.9, 10.1.2.3",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "hooks.example",
      via: "1.1 sluice",
    },
  });
});

test("the client is the last address that no listed proxy vouches for", () => {
  const client = (chain: string): string =>
    originOf(from("10.0.0.1", ["X-Forwarded-For", chain]), proxies).clientAddress;
  assert.equal(client("6.6.6.6, 203.0.113.9, 10.0.0.2"), "203.0.113.9");
  assert.equal(client("6.6.6.6, 203.0.113.9:4711 ,10.0.0.2:80"), "203.0.113.9");
  assert.equal(client("6.6.6.6, [2001:db9::1]:4711"), "2001:db9::1");
  assert.equal(client("10.0.0.3"), "10.0.0.3");
  assert.equal(client("6.6.6.6, unknown, 10.0.0.2"), "10.0.0.2");
  assert.equal(client(" , ,"), "10.0.0.1");
});

test("Forwarded of a listed proxy counts where there is no X-Forwarded-For", () => {
  const given = 'for="[2001:db9::7]:47";Proto=HTTPS;host="a.example:8443", FOR=10.0.0.9;host="b\\"x";proto=https';
  const origin = originOf(from("10.0.0.1", ["Forwarded", given]), proxies);
  assert.deepEqual(parts(origin), ["2001:db9::7", "https://front.example"], "the host of the last is no host");
  assert.equal(origin.headers["forwarded"], `${given}, for=10.0.0.1;host=front.example;proto=http`);
  assert.equal(origin.headers["x-forwarded-for"], "2001:db9::7, 10.0.0.9, 10.0.0.1");
  assert.equal(origin.headers["x-forwarded-proto"], "https");
});

test("IPv6 addresses and ports stand in quotes, as RFC 7239 asks", () => {
  const arrival = from("2001:db9::1", [], { rawHeaders: ["host", "[2001:db9::2]:8081"], isSecure: true });
  const { headers, clientOrigin } = originOf(arrival, none);
  assert.equal(headers["forwarded"], 'for="[2001:db9::1]";host="[2001:db9::2]:8081";proto=https');
  assert.equal(clientOrigin, "https://[2001:db9::2]:8081");
  assert.equal(originOf(from("fe80::1%eth0", []), none).clientAddress, "fe80::1");
});

test("schemes and hosts that are none are not believed", () => {
  const origin = (...headers: string[]): string => originOf(from("10.0.0.1", headers), proxies).clientOrigin;
  assert.equal(origin("X-Forwarded-Proto", "javascript", "X-Forwarded-Host", "a b"), "http://front.example");
  assert.equal(origin("X-Forwarded-Host", "a/../b"), "http://front.example");
  assert.equal(
    origin("X-Forwarded-Proto", "http, HTTPS", "X-Forwarded-Host", "evil, b.example:1"),
    "https://b.example:1",
  );
  assert.equal(origin("X-Forwarded-Host", "a".repeat(513)), "http://front.example");
});

test("an absolute request target names the host", () => {
  const { clientOrigin, headers } = originOf(from("192.0.2.1", [], { authority: "other.example:81" }), none);
  assert.equal(clientOrigin, "http://other.example:81");
  assert.equal(headers["x-forwarded-host"], "other.example:81");
});

test("Via is appended to by anybody, and starts over when it is too long", () => {
  const via = (...headers: string[]): string | undefined => originOf(from("192.0.2.1", headers), none).headers["via"];
  assert.equal(via("Via", "1.0 fred", "via", "1.1 p.example"), "1.0 fred, 1.1 p.example, 1.1 sluice");
  assert.equal(via("Via", "a".repeat(5_000)), "1.1 sluice");
  assert.equal(originOf(from("192.0.2.1", [], { httpVersion: "1.0" }), none).headers["via"], "1.0 sluice");
});

test("long chains keep their end, near to here", () => {
  const chain = Array.from({ length: 2_000 }, (_, at) => `203.0.113.${at % 256}`).join(", ");
  const { headers, clientAddress } = originOf(from("10.0.0.1", ["X-Forwarded-For", chain]), proxies);
  assert.equal(clientAddress, "203.0.113.207");
  assert.ok((headers["x-forwarded-for"] ?? "").length < 4_200);
  assert.match(headers["x-forwarded-for"] ?? "", /^203\.0\.113\.\d+, .*203\.0\.113\.207, 10\.0\.0\.1$/);
});

test("a listed proxy may pass on anything: what comes out is short and can stand in a header", () => {
  const unit = fc.constantFrom(...'for=;,"\\[]: x1.2\u00ff\t'.split(""));
  const value = fc.oneof(
    fc.string({ unit, maxLength: 200 }),
    fc.constant('"\\"'.repeat(3_000)),
    fc.string({ unit, minLength: 6_000, maxLength: 6_000 }),
  );
  const name = fc.constantFrom("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto", "X-Forwarded-Host", "Via");
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), (pairs) => {
      const { headers, clientAddress, clientOrigin } = originOf(from("10.0.0.1", pairs.flat()), proxies);
      assert.match(clientAddress, /^[\d.]+$/);
      assert.match(clientOrigin, /^https?:\/\/[^\s"\\/,]+$/);
      for (const text of Object.values(headers))
        assert.ok(!/[^\t\x20-\x7e\x80-\xff]/.test(text) && text.length < 9_000);
    }),
  );
});

test("a list of proxies that is none is refused, naming the value", () => {
  for (const entry of [
    "",
    "localhost",
    "10.0.0.0/33",
    "10.0.0.0/",
    "::1/129",
    "10.0.0.1/8/8",
    "10.0.0.0/-1",
    "private",
  ])
    assert.throws(() => trustedProxies(["::1", entry]), {
      code: "bad-config",
      message: /^trustedProxies takes addresses/,
    });
  assert.throws(() => trustedProxies(Array.from<string>({ length: 1_001 }).fill("::1")), { code: "bad-config" });
});
