import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import fc from "fast-check";
import { SluiceError } from "../core/errors.ts";
import * as front from "./front-values.ts";
import { readHandshake } from "./read-handshake.ts";
import { frontRouteSettings } from "./declared-settings.ts";
import { readSource, readTimeSource } from "./read-source.ts";
import { readVerify } from "./read-verify.ts";
import type { Environment } from "./secret.ts";

const place = 'front.routes["POST /hooks"].verify';
const planted = "pl4nted-s3cret";

/** Refused as bad configuration, with the place and words that fit, and without the planted secret. */
function refused(read: () => unknown, message: RegExp): void {
  assert.throws(read, (error) => {
    assert.ok(error instanceof SluiceError, String(error));
    assert.equal(error.code, "bad-config");
    assert.ok(error.message.startsWith(place), error.message);
    assert.match(error.message, message);
    assert.ok(!`${error.message}${error.stack}${String(error.cause)}`.includes(planted), error.message);
    return true;
  });
}

const read = (value: unknown, env: Environment = {}): unknown => readVerify(place, value, env);

test("the functions give plain frozen values", () => {
  const values = [
    front.github({ secret: "s" }),
    front.secret("NAME"),
    front.basic({ username: "a", password: "b" }),
    front.sluiceKeys(),
    front.json("/id", { optional: true }),
    front.bodyHash(),
  ];
  assert.deepEqual(values, [
    { kind: "github", secret: "s" },
    { kind: "secret", name: "NAME" },
    { kind: "basic", users: [{ username: "a", password: "b" }] },
    { kind: "sluiceKeys" },
    { kind: "json", pointer: "/id", optional: true },
    { kind: "bodyHash" },
  ]);
  assert.ok(values.every((value) => Object.isFrozen(value)));
});

describe("verify", () => {
  test("may be missing, public, or the API's keys with and without a call", () => {
    assert.equal(read(undefined), undefined);
    assert.deepEqual(read("public"), { kind: "public" });
    assert.deepEqual(read(front.sluiceKeys), { kind: "sluiceKeys" });
    assert.deepEqual(read(front.sluiceKeys()), { kind: "sluiceKeys" });
  });

  test("is one of the presets", () => {
    for (const value of [
      null,
      7,
      planted,
      "",
      "github",
      [],
      {},
      front.github,
      { kind: planted },
      { kind: "constructor" },
      { kind: 7 },
      front.header("x"),
      [front.github({ secret: planted })],
    ])
      refused(() => read(value), /must be "public" or one of github, gitlab/);
  });

  test("has no unknown fields", () => {
    refused(() => read({ kind: "github", secret: planted, secrets: 1 }), /knows the fields secret, got "secrets"/);
    refused(() => read({ ...front.stripe({ secret: planted }), toleranceSecond: 1 }), /did you mean toleranceSeconds/);
    refused(() => read(front.github(planted as never)), /knows the fields secret/);
    refused(() => read({ kind: "sluiceKeys", secret: planted }), /fields/);
    refused(() => read({ kind: "basic", users: [{ username: "a", password: planted, x: 1 }] }), /users\[0\]/);
  });

  const single = ["github", "gitlab", "shopify", "slack", "stripe", "twilio", "standardWebhooks"] as const;

  test("has a secret", () => {
    for (const kind of single) {
      refused(() => read({ kind }), /verify\.secret is missing/);
      refused(() => read({ kind, secret: undefined }), /verify\.secret is missing/);
      for (const secret of ["", null, 7, {}, "a\0b", "a".repeat(4_097), { kind: "secret2", name: "A" }])
        refused(() => read({ kind, secret }), /verify\.secret must be a text/);
      refused(() => read({ kind, secret: [] }), /a list of 1 to 10/);
      refused(() => read({ kind, secret: Array(4_000_000_000) }), /a list of 1 to 10/);
      refused(() => read({ kind, secret: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""] }), /secret\[1\] must be/);
    }
  });

  test("takes secrets from the environment and from files", async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "secret");
    await writeFile(file, "from a file\n");
    const exportOf = (value: unknown, env: Environment): readonly string[] => {
      const settings = readVerify(place, value, env);
      assert.ok(settings?.kind === "github");
      return settings.secrets.map((key) => key.export().toString());
    };
    const env = { A: "from the environment", B_FILE: file };
    const config = front.github({ secret: [front.secret("A"), "text", front.secret("B")] });
    assert.deepEqual(exportOf(config, env), ["from the environment", "text", "from a file"]);
    refused(() => read(config, { A: "a" }), /secret\[2\]: neither B nor B_FILE is set/);
    refused(() => read(config, { A: "", B_FILE: file }), /secret\[0\]: neither A nor A_FILE is set/);
    refused(() => read(config, { A: planted, A_FILE: file }), /A and A_FILE are both set/);
    refused(() => read(config, { A: "a", B_FILE: join(folder.path, "none") }), /B_FILE/);
  });

  test("shows no secret that was written in place of a variable's name", () => {
    refused(() => read(front.github({ secret: front.secret(planted) })), /name of an environment variable/);
    refused(() => read({ kind: "github", secret: { kind: "secret" } }), /name of an environment variable/);
  });

  test("of Standard Webhooks has secrets of its form; GitLab's signing tokens too", () => {
    for (const secret of [planted, `whsec_${planted}`, "whsec_", `whsec_${Buffer.alloc(23).toString("base64")}`])
      refused(() => read(front.standardWebhooks({ secret })), /must be whsec_ and the base64 of 24 to 64 bytes/);
    refused(() => read(front.gitlab({ secret: `whsec_${planted}` })), /must be whsec_/);
    assert.doesNotThrow(() => read(front.gitlab({ secret: planted })));
  });

  test("has a tolerance of whole seconds", () => {
    for (const toleranceSeconds of [0, -1, 1.5, 86_401, "300", planted, null, Number.NaN])
      refused(() => read({ kind: "slack", secret: planted, toleranceSeconds }), /an integer from 1 to 86400/);
  });

  test("by hmac signs the body once, and a time where it has a tolerance", () => {
    const hmac = (options: object): unknown => read({ kind: "hmac", header: "x-sign", secret: planted, ...options });
    assert.doesNotThrow(() => hmac({}));
    assert.doesNotThrow(() => hmac({ signed: "body" }));
    assert.doesNotThrow(() => hmac({ signed: "{method}{path}{url}{body}{header:X-Time}", toleranceSeconds: 300 }));
    for (const signed of [
      "",
      "{header:x-time}",
      "{body}{body}",
      "{Body}",
      "{body}{",
      "{body}}",
      "{body}{header:}",
      "{body}{header:a b}",
      "{body}é",
      `{body}${"x".repeat(1_000)}`,
      7,
      null,
    ])
      refused(() => hmac({ signed }), /signed must be "body", or a template/);
    refused(() => hmac({ toleranceSeconds: 300 }), /needs one \{header:NAME\} in signed/);
    refused(() => hmac({ signed: "{header:a}{header:b}{body}", toleranceSeconds: 300 }), /needs one \{header:NAME\}/);
    refused(() => hmac({ algorithm: "md5" }), /algorithm must be one of sha256, sha1, sha512/);
    refused(() => hmac({ encoding: "base64url" }), /encoding must be one of hex, base64/);
    refused(() => hmac({ prefix: 7 }), /prefix must be/);
    for (const header of [undefined, "", "a b", "a:b", 7]) refused(() => hmac({ header }), /the name of a header/);
  });

  test("by basic has users with different names, and by apiKey one place for the key", () => {
    const user = { username: "ann", password: planted };
    refused(() => read(front.basic()), /1 to 100 users/);
    refused(() => read(front.basic(user, user)), /a username twice/);
    refused(() => read(front.basic({ ...user, username: "a:b" })), /users\[0\]\.username must be/);
    refused(() => read({ kind: "basic", users: [{ username: "ann" }] }), /users\[0\]\.password is missing/);
    refused(() => read({ kind: "basic", users: [planted] }), /users\[0\] must be/);
    refused(() => read({ kind: "apiKey", secret: planted }), /either a header or a query parameter/);
    refused(() => read({ kind: "apiKey", header: "a", query: "b", secret: planted }), /either a header or a query/);
    refused(() => read({ kind: "apiKey", query: "", secret: planted }), /query must be a name/);
  });

  test("of any shape is read or refused, and a property that throws is no crash", () => {
    const throwing = {
      get kind(): string {
        throw new Error(planted);
      },
    };
    refused(() => read(throwing), /one of its properties throws/);
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    refused(() => read({ kind: "github", secret: proxy }), /one of its properties throws/);
    const kind = fc.constantFrom(...single, "hmac", "basic", "apiKey", "secret", "header");
    const field = fc.constantFrom("secret", "header", "signed", "users", "query", "toleranceSeconds", "__proto__");
    const anything = fc.dictionary(field, fc.oneof(fc.anything(), fc.constant(planted), fc.constant([planted])));
    const property = fc.property(kind, anything, (name, fields) => {
      try {
        read({ ...fields, kind: name });
      } catch (error) {
        assert.ok(error instanceof SluiceError && error.code === "bad-config", String(error));
        assert.ok(!error.message.includes(planted), error.message);
      }
    });
    fc.assert(property, { numRuns: 300 });
  });
});

describe("key", () => {
  const source = (value: unknown): unknown => readSource(place, value);

  test("is read from one of four places", () => {
    assert.equal(source(undefined), undefined);
    assert.deepEqual(source(front.header("X-Id")), { kind: "header", name: "x-id" });
    assert.deepEqual(source(front.query("id")), { kind: "query", name: "id" });
    assert.deepEqual(source(front.bodyHash()), { kind: "bodyHash" });
    assert.deepEqual(source(front.json("/a~1b/~01/0", { optional: true })), {
      kind: "json",
      pointer: "/a~1b/~01/0",
      tokens: ["a/b", "~1", "0"],
      isOptional: true,
    });
    assert.deepEqual(source(front.json("")), { kind: "json", pointer: "", tokens: [], isOptional: false });
  });

  test("of another shape is refused", () => {
    for (const value of [null, "x-id", 7, [], {}, front.header, front.github({ secret: planted })])
      refused(() => source(value), /must be header\(name\), query\(name\), json\(pointer\) or bodyHash\(\)/);
    for (const name of [undefined, "", "a b", 7, "é", "a".repeat(129)])
      refused(() => source({ kind: "header", name }), /the name of a header/);
    for (const name of [undefined, "", 7, "a".repeat(129)])
      refused(() => source({ kind: "query", name }), /must name a query parameter/);
    for (const pointer of [undefined, "id", "/a~", "/~2", "#/a", 7, `/${"a".repeat(1_000)}`, "/a".repeat(33)])
      refused(() => source({ kind: "json", pointer }), /must be a JSON pointer/);
    refused(() => source({ kind: "json", pointer: "/id", optional: "yes" }), /optional must be true or false/);
    refused(() => source({ kind: "bodyHash", name: 1 }), /fields/);
  });
});

describe("a time", () => {
  const source = (value: unknown): unknown => readTimeSource(place, value, frontRouteSettings.notBefore);

  test("is a duration from the arrival, or is read from one of three places", () => {
    assert.equal(source(undefined), undefined);
    assert.deepEqual(source("24h"), { kind: "fixed", text: "86400000ms" });
    assert.deepEqual(source(front.header("X-Later")), { kind: "header", name: "x-later" });
    assert.deepEqual(source(front.query("at")), { kind: "query", name: "at" });
    assert.deepEqual(source(front.json("/at")), { kind: "json", pointer: "/at", tokens: ["at"], isOptional: false });
  });

  test("of another shape, or out of bounds, is refused", () => {
    for (const value of [null, [], {}, front.bodyHash(), front.header, front.github({ secret: planted })])
      refused(
        () => source(value),
        /must be a duration such as "24h", header\(name\), query\(name\) or json\(pointer\)/,
      );
    for (const value of [7, "", "soon", "-5m", "367d", "2026-12-24T18:00:00Z"])
      refused(() => source(value), /must be a duration from 0s to 366d/);
    refused(() => source({ kind: "header", name: "a b" }), /the name of a header/);
  });
});

test("a handshake of another shape is refused", () => {
  const handshake = (value: unknown): unknown => readHandshake(place, value, { env: {}, verify: undefined });
  assert.equal(handshake(undefined), undefined);
  for (const value of [null, "meta", {}, front.slack({ secret: planted })])
    refused(() => handshake(value), /must be "slack", "microsoft-graph" or meta/);
  refused(() => handshake({ kind: "meta" }), /verifyToken is missing/);
  refused(() => handshake({ kind: "meta", verifyToken: planted, x: 1 }), /fields/);
});
