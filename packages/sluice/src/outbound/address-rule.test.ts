import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { addressRule, refusalOfAddress, refusalOfUrl, type AddressOptions } from "./address-rule.ts";

function mayCall(url: string, options: AddressOptions = {}): boolean {
  return refusalOfUrl(new URL(url), addressRule(options)) === undefined;
}

const metadata = ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "[fd00:ec2::254]"];

/** IPv4-translated (RFC 2765): what a translator makes of them cannot be judged here. */
const translated = ["[::ffff:0:169.254.169.254]", "[::ffff:0:10.0.0.1]", "[0:0:0:0:FFFF:0:808:808]"];

describe("an address in a URL", () => {
  for (const host of [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd12:3456::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "[::127.0.0.1]",
    "192.88.99.1",
    "[::ffff:192.88.99.255]",
    "[3fff::1]",
    "[3FFF:0FFF:ffff::]",
    "[100:0:0:1::1]",
    "[5f00::1]",
    "[5f00:ffff:0:0:0:0:0:1]",
    // As they are also written; the URL's parser makes the same of them.
    "2130706433",
    "0x7f.1",
    "017700000001",
    "127.1",
    "3227017985",
    "0xc0.88.0143.1",
    "192.88.25345",
  ]) {
    test(`is refused unless private ones are allowed: ${host}`, () => {
      assert.equal(mayCall(`http://${host}/`), false);
      assert.equal(mayCall(`http://${host}/`, { allow: ["private"] }), true);
    });
  }

  for (const host of [...metadata, "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::]"].concat(
    translated,
  )) {
    test(`is refused even where private ones are allowed: ${host}`, () => {
      assert.equal(mayCall(`http://${host}/`, { allow: ["private"] }), false);
      assert.equal(mayCall(`http://${host}/`, { allow: [host.replace(/[[\]]/g, "")] }), true);
    });
  }

  for (const host of [
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "11.0.0.1",
    "192.88.98.255",
    "192.88.100.0",
    "[2606:4700::1111]",
    "[3ffe:ffff::1]",
    "[3fff:1000::1]",
    "[5eff:ffff::1]",
    "[5f01::1]",
    "[::ffff:8.8.8.8]",
  ]) {
    test(`is allowed when it is public: ${host}`, () => assert.equal(mayCall(`https://${host}/`), true));
  }

  test("is allowed by its network, and no other is", () => {
    const options = { allow: ["10.2.0.0/16", "fd12::/16"] };
    assert.equal(mayCall("http://10.2.3.4", options), true);
    assert.equal(mayCall("http://10.3.3.4", options), false);
    assert.equal(mayCall("http://[fd12::9]", options), true);
    assert.equal(mayCall("http://[fd13::9]", options), false);
  });
});

describe("an address that a name leads to", () => {
  const refusal = (address: string, options: AddressOptions = {}) =>
    refusalOfAddress(address, "b.example", addressRule(options));

  test("is refused in words that name the option", () => {
    assert.equal(
      refusal("10.0.3.7")?.message,
      'b.example leads to 10.0.3.7, which is a private address: if it is meant, allow it with targets: { allow: ["b.example"] } or --target-allow',
    );
    assert.match(refusal("169.254.169.254")?.message ?? "", /credentials.*allow: \["169\.254\.169\.254"\]/);
  });

  test("is allowed with an option of the callbacks' own, where it is theirs", () => {
    const message = refusal("10.0.3.7", { of: "callbacks" })?.message;
    assert.match(message ?? "", /with callbacks: \{ allow: \["b\.example"\] \} or SLUICE_CALLBACK_ALLOW$/);
    assert.throws(() => addressRule({ allow: ["http://b"], of: "callbacks" }), /callbacks\.allow takes/);
  });

  test("is allowed by the name, by the network, and with all private ones", () => {
    for (const entry of ["B.example", "10.0.0.0/8", "private"])
      assert.equal(refusal("10.0.3.7", { allow: [entry] }), undefined, entry);
    assert.notEqual(refusal("10.0.3.7", { allow: ["c.example", "127.0.0.0/8"] }), undefined);
    assert.notEqual(refusal("169.254.169.254", { allow: ["b.example", "private"] }), undefined);
  });
});

describe("a URL", () => {
  test("keeps to the hosts, where there are some", () => {
    const hosts = ["b.example", "*.Inner.example", "8.8.8.8"];
    for (const url of ["http://b.example", "http://B.EXAMPLE.:81/x", "http://a.inner.example", "http://8.8.8.8"])
      assert.equal(mayCall(url, { hosts }), true, url);
    for (const url of ["http://c.example", "http://a.b.example", "http://inner.example", "http://xinner.example"])
      assert.equal(mayCall(url, { hosts }), false, url);
  });

  test("keeps to the schemes", () => {
    assert.equal(mayCall("http://b.example", { schemes: ["https"] }), false);
    assert.equal(mayCall("https://b.example", { schemes: ["https"] }), true);
    assert.equal(mayCall("ftp://b.example"), false);
  });
});

test("wrong options are named", () => {
  for (const [options, message] of [
    [{ allow: ["10.0.0.0/33"] }, /targets\.allow is written as 10\.0\.0\.0\/8, got "10\.0\.0\.0\/33"/],
    [{ allow: ["10.0.0.0/"] }, /targets\.allow/],
    [{ allow: ["http://b"] }, /targets\.allow takes addresses, networks and host names, got "http:\/\/b"/],
    [{ hosts: ["*"] }, /targets\.hosts/],
    [{ hosts: ["b.example:80"] }, /targets\.hosts/],
    [{ schemes: ["ftp"] }, /targets\.schemes knows http and https, got "ftp"/],
  ] as const)
    assert.throws(() => addressRule(options), message);
});
