import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hostName, pageRefusal, type PageHeaders, type PageRule } from "./foreign-page.ts";

const open: PageRule = { isOpen: true, hosts: ["sluice.example"] };
const keyed: PageRule = { isOpen: false, hosts: [] };

function refused(headers: PageHeaders, rule: PageRule): string | undefined {
  return pageRefusal(headers, rule)?.code;
}

describe("without keys", () => {
  test("only the loopback's names and the configured ones pass as Host", () => {
    const own = ["localhost", "LocalHost:80", "127.0.0.1:8080", "127.255.3.4", "[::1]:9", "[0:0:0:0:0:0:0:1]"];
    for (const host of [...own, "sluice.example", "SLUICE.example:1", undefined])
      assert.equal(refused({ host }, open), undefined, host);
    const foreign = ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "sluice.example.evil"];
    const addresses = ["10.0.0.1", "0.0.0.0:8080", "[::]", "[fe80::1]", "127.evil.example", "localhost:99999", "a, b"];
    for (const host of [...foreign, ...addresses]) assert.equal(refused({ host }, open), "host-refused", host);
  });

  test("the browser's word alone does not make a page ours, as a proxy may have changed Host", () => {
    const headers = { host: "127.0.0.1:8080", "sec-fetch-site": "same-origin" };
    assert.equal(refused({ ...headers, origin: "http://evil.example" }, open), "origin-refused");
    assert.equal(refused({ ...headers, origin: "https://sluice.example" }, open), undefined);
    assert.equal(refused({ ...headers, origin: "http://evil.example" }, keyed), undefined);
  });
});

test("with keys any Host passes, until some are configured: then names must be of them", () => {
  const named = { ...keyed, hosts: ["sluice.example"] };
  for (const host of ["evil.example", "10.0.0.1:8080", "[fd00::1]"]) assert.equal(refused({ host }, keyed), undefined);
  for (const host of ["sluice.example", "localhost", "10.0.0.1:8080", "[fd00::1]:8080"])
    assert.equal(refused({ host }, named), undefined, host);
  assert.equal(refused({ host: "evil.example" }, named), "host-refused");
});

describe("whatever the keys", () => {
  for (const [name, rule] of Object.entries({ open, keyed }))
    test(`a page of another origin is refused: ${name}`, () => {
      const host = "localhost:8080";
      for (const origin of ["http://localhost:8081", "http://evil.example", "null", "", "foo://localhost:8080", "x, y"])
        assert.equal(refused({ host, origin }, rule), "origin-refused", origin);
      for (const site of ["cross-site", "same-site", "", "same-origin, cross-site"])
        assert.equal(refused({ host, "sec-fetch-site": site }, rule), "origin-refused", site);
      assert.equal(refused({ host: undefined, origin: "http://undefined" }, rule), "origin-refused");
      for (const origin of ["http://localhost:8080", "https://localhost:8080", undefined])
        for (const site of ["same-origin", "none", undefined])
          assert.equal(refused({ host, origin, "sec-fetch-site": site }, rule), undefined);
      assert.equal(refused({ host: "localhost:443", origin: "https://localhost" }, rule), undefined);
    });
});

test("a refusal has the header and its value, within bounds", () => {
  const long = pageRefusal({ host: `${"x".repeat(10_000)}.example` }, open);
  assert.match(long?.message ?? "", /^Host must be localhost, .*, got "x{100}…"$/);
  const origin = pageRefusal({ host: "localhost", origin: "http://evil.example" }, open);
  assert.equal(origin?.message, `Origin must be this server's own or listed in cors, got "http://evil.example"`);
});

test("a configured name is a host without a port", () => {
  for (const [text, name] of [
    ["Sluice.Example", "sluice.example"],
    ["10.0.0.1", "10.0.0.1"],
    ["[fd00::1]", "[fd00::1]"],
  ] as const)
    assert.equal(hostName(text), name);
  for (const text of ["", "a:80", "http://a", "a/b", "a b", "::1", "*", "a@b"]) assert.equal(hostName(text), undefined);
});
