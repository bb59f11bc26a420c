import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import { sign as signAsGithub } from "@octokit/webhooks-methods";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { Stripe } from "stripe";
import {
  apiKey,
  basic,
  github,
  gitlab,
  hmac,
  shopify,
  slack,
  standardWebhooks,
  stripe,
  twilio,
  type VerifyConfig,
} from "../../../config/front-values.ts";
import { readVerify } from "../../../config/read-verify.ts";
import { parseWebhookSecret, webhookHeaders } from "../../../core/webhook-signature.ts";
import { refusalReasons, type SignedCall, type Verified, type Verifier } from "./signed-call.ts";
import { verifierOf } from "./verifier.ts";

const nowSeconds = 1_700_000_000;
const secret = "a secret that nobody else knows";
const webhookSecret = `whsec_${Buffer.from("24 bytes that sign hooks").toString("base64")}`;

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly origin?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly nowMs?: number;
}

function callOf({ method = "POST", path = "/hook", origin = "https://front.example", ...sent }: Sent): SignedCall {
  const { headers = {}, body = "", nowMs = nowSeconds * 1_000 } = sent;
  return { method, path, url: origin + path, headers, body: Buffer.from(body), nowMs };
}

function verifierFor(config: VerifyConfig): Verifier {
  const settings = readVerify("routes[0].verify", config, {});
  assert.ok(settings !== undefined && settings.kind !== "public" && settings.kind !== "sluiceKeys");
  return verifierOf(settings);
}

/** `"verified"`, or why not. */
function verdictOf(config: VerifyConfig, sent: Sent): string {
  return wordOf(verifierFor(config).verify(callOf(sent)));
}

function wordOf(result: Verified): string {
  return result.kind === "verified" ? "verified" : result.reason;
}

const hmacOf = (algorithm: string, key: string, text: string): Buffer =>
  createHmac(algorithm, key).update(text).digest();

describe("GitHub", () => {
  // https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
  const body = "Hello, World!";
  const config = github({ secret: "It's a Secret to Everybody" });
  const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  const sentWith = (header: string): Sent => ({ body, headers: { "x-hub-signature-256": header } });

  test("its published example is accepted", () => {
    assert.equal(verdictOf(config, sentWith(signature)), "verified");
  });

  test("a signature in another form is malformed, and none is missing", () => {
    const malformed = [
      signature.toUpperCase(),
      signature.slice("sha256=".length),
      signature.slice(0, -1),
      `${signature} `,
      `${signature}, ${signature}`,
      `sha256=${"A".repeat(64)}`,
      "sha256=",
    ];
    for (const header of malformed) assert.equal(verdictOf(config, sentWith(header)), "malformed", header);
    assert.equal(verdictOf(config, { body }), "missing");
    assert.equal(verdictOf(config, sentWith("")), "missing");
    assert.equal(verdictOf(config, { body, headers: { "x-hub-signature": signature } }), "missing");
  });

  test("any of several secrets will do, and no other", () => {
    const sent = sentWith(signature);
    assert.equal(verdictOf(github({ secret: ["next", "It's a Secret to Everybody"] }), sent), "verified");
    assert.equal(verdictOf(github({ secret: ["It's a Secret to Everybody", "next"] }), sent), "verified");
    assert.equal(verdictOf(github({ secret: ["next", "last"] }), sent), "mismatch");
  });

  test("its real payloads are accepted as @octokit/webhooks-methods signs them, and with one byte changed refused", async () => {
    const payloads = githubPayloads();
    assert.ok(payloads.length >= 329, `${payloads.length} payloads`);
    const verifier = verifierFor(github({ secret }));
    for (const [at, payload] of payloads.entries()) {
      const header = await signAsGithub(secret, payload);
      const verify = (shown: string, bytes: string | Uint8Array): string =>
        wordOf(verifier.verify(callOf({ headers: { "x-hub-signature-256": shown }, body: bytes })));
      assert.equal(verify(header, payload), "verified");
      const bytes = Buffer.from(payload);
      // A prime step, so that the payloads are changed in all their parts.
      const place = (at * 7_919) % bytes.length;
      const bit = 1 << (at % 8);
      assert.equal(verify(header, flipped(bytes, place, bit)), "mismatch");
      assert.equal(verify(header, Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)])), "mismatch");
      assert.equal(verify(header, Buffer.concat([bytes, Buffer.from([10])])), "mismatch");
      const forged = flipped(Buffer.from(header, "latin1"), at % header.length, bit).toString("latin1");
      assert.notEqual(verify(forged, payload), "verified");
    }
  });
});

function githubPayloads(): readonly string[] {
  const require = createRequire(import.meta.url);
  const definitions = require("@octokit/webhooks-examples") as readonly { readonly examples: readonly unknown[] }[];
  return definitions.flatMap(({ examples }) => examples.map((example) => JSON.stringify(example)));
}

function flipped(bytes: Uint8Array, at: number, bits: number): Buffer {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ bits;
  return changed;
}

describe("Stripe", () => {
  const { webhooks } = new Stripe("sk_test_none");
  const payload = JSON.stringify({ id: "evt_1", object: "event" });
  const config = stripe({ secret: webhookSecret });
  const headerOf = (timestamp = nowSeconds, key = webhookSecret): string =>
    webhooks.generateTestHeaderString({ payload, secret: key, timestamp });
  const sentWith = (header: string): Sent => ({ body: payload, headers: { "stripe-signature": header } });

  test("what its library signs is accepted, with any of the secrets and with several signatures", () => {
    assert.equal(verdictOf(config, sentWith(headerOf())), "verified");
    assert.equal(verdictOf(stripe({ secret: ["whsec_next", webhookSecret] }), sentWith(headerOf())), "verified");
    const rolled = `${headerOf(nowSeconds, "whsec_old")},${headerOf().split(",")[1]},v0=00`;
    assert.equal(verdictOf(config, sentWith(rolled)), "verified");
  });

  test("it is refused where its library refuses", () => {
    const headers = [
      headerOf(),
      headerOf(nowSeconds, "whsec_other"),
      headerOf(nowSeconds + 1).replace(/t=\d+/, `t=${nowSeconds}`),
      headerOf(nowSeconds - 301),
      headerOf(nowSeconds - 300),
      headerOf().replace("v1=", "v0="),
      `t=${nowSeconds}`,
      "nonsense",
    ];
    const accepts = (header: string): boolean => {
      try {
        webhooks.constructEvent(payload, header, webhookSecret, 300, undefined, nowSeconds * 1_000);
        return true;
      } catch {
        return false;
      }
    };
    assert.deepEqual(
      headers.map((header) => verdictOf(config, sentWith(header)) === "verified"),
      headers.map(accepts),
    );
    assert.deepEqual(headers.map(accepts).filter(Boolean).length, 2);
  });

  test("a clock may be off by the tolerance in both directions", () => {
    const verdict = (off: number, toleranceSeconds?: number): string =>
      verdictOf(stripe({ secret: webhookSecret, ...(toleranceSeconds && { toleranceSeconds }) }), {
        ...sentWith(headerOf(nowSeconds + off)),
        nowMs: nowSeconds * 1_000 + 999,
      });
    assert.deepEqual(
      [-301, -300, 300, 301].map((off) => verdict(off)),
      ["expired", "verified", "verified", "expired"],
    );
    assert.deepEqual(
      [-11, -10, 10, 11].map((off) => verdict(off, 10)),
      ["expired", "verified", "verified", "expired"],
    );
  });

  test("a header with two times, with none, or with more signatures than a sender has is malformed", () => {
    const [time, signature] = headerOf().split(",");
    for (const header of [
      `${time},${time},${signature}`,
      `${headerOf()}, ${headerOf()}`,
      `${signature}`,
      `${time}`,
      `t=17e8,${signature}`,
      `${time},${Array.from({ length: 17 }, () => signature).join(",")}`,
    ])
      assert.equal(verdictOf(config, sentWith(header)), "malformed", header);
    assert.equal(verdictOf(config, { body: payload }), "missing");
  });
});

describe("Standard Webhooks", () => {
  const body = '{"type":"order.paid"}';
  const config = standardWebhooks({ secret: webhookSecret });
  const signed = (id: string, seconds = nowSeconds, key = webhookSecret): Record<string, string> => ({
    "webhook-id": id,
    "webhook-timestamp": String(seconds),
    "webhook-signature": new Webhook(key).sign(id, new Date(seconds * 1_000), body),
  });

  test("what its library signs is accepted", () => {
    assert.equal(verdictOf(config, { body, headers: signed("msg_1") }), "verified");
  });

  test("its library's own example is accepted", () => {
    // https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/javascript/src/index.test.ts
    const example = standardWebhooks({ secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" });
    const sent: Sent = {
      body: '{"test": 2432232314}',
      nowMs: 1_614_265_330_000,
      headers: {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
      },
    };
    assert.equal(verdictOf(example, sent), "verified");
  });

  test("what Sluice signs itself is accepted here and by the library", () => {
    const seconds = Math.floor(Date.now() / 1_000);
    const headers = webhookHeaders({ id: "msg_1", timestamp: seconds, body: Buffer.from(body) }, [
      parseWebhookSecret(webhookSecret),
    ]);
    assert.equal(verdictOf(config, { body, headers, nowMs: seconds * 1_000 }), "verified");
    assert.doesNotThrow(() => new Webhook(webhookSecret).verify(body, headers));
  });

  test("one of several signatures is enough; other versions are not looked at", () => {
    const headers = signed("msg_1");
    const other = signed("msg_1", nowSeconds, `whsec_${Buffer.alloc(24).toString("base64")}`)["webhook-signature"];
    const with_ = (signature: string): string =>
      verdictOf(config, { body, headers: { ...headers, "webhook-signature": signature } });
    assert.equal(with_(`v1a,AAAA ${other} ${headers["webhook-signature"]}`), "verified");
    assert.equal(with_(`${other}`), "mismatch");
    assert.equal(with_("v1a,AAAA"), "malformed");
    assert.equal(with_(Array.from({ length: 17 }, () => headers["webhook-signature"]).join(" ")), "malformed");
  });

  test("an old one is expired, one without its headers is missing", () => {
    assert.equal(verdictOf(config, { body, headers: signed("msg_1", nowSeconds - 301) }), "expired");
    assert.equal(verdictOf(config, { body, headers: signed("msg_1", nowSeconds + 301) }), "expired");
    for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
      const { [name]: _, ...headers } = signed("msg_1");
      assert.equal(verdictOf(config, { body, headers }), "missing", name);
    }
  });

  test("the same bytes cannot be read as another id, time and body", () => {
    const whole = `${nowSeconds}.${body}`;
    const headers = {
      ...signed("msg_1"),
      "webhook-signature": new Webhook(webhookSecret).sign("msg_1", new Date(nowSeconds * 1_000), whole),
    };
    assert.equal(verdictOf(config, { body: whole, headers }), "verified");
    const shifted = { ...headers, "webhook-id": `msg_1.${nowSeconds}` };
    assert.equal(verdictOf(config, { body, headers: shifted }), "malformed");
  });
});

describe("Slack", () => {
  // https://docs.slack.dev/authentication/verifying-requests-from-slack
  const config = slack({ secret: "8f742231b10e8888abcd99yyyzzz85a5" });
  const sent = {
    nowMs: 1_531_420_618_000,
    headers: {
      "x-slack-request-timestamp": "1531420618",
      "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    },
    body: "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
  } satisfies Sent;

  test("its published example is accepted within five minutes", () => {
    assert.equal(verdictOf(config, sent), "verified");
    const verdictAfter = (seconds: number): string =>
      verdictOf(config, { ...sent, nowMs: sent.nowMs + seconds * 1_000 });
    assert.deepEqual([-301, -300, 300, 301].map(verdictAfter), ["expired", "verified", "verified", "expired"]);
  });

  test("without its time it is missing, with another one refused", () => {
    const with_ = (headers: Record<string, string>): string =>
      verdictOf(config, { ...sent, headers: { ...sent.headers, ...headers } });
    assert.equal(with_({ "x-slack-request-timestamp": "" }), "missing");
    assert.equal(with_({ "x-slack-request-timestamp": "1531420619" }), "mismatch");
    assert.equal(with_({ "x-slack-request-timestamp": "1531420618, 1531420618" }), "malformed");
  });
});

describe("Shopify", () => {
  test("a known signature is accepted", () => {
    // Shopify publishes none. This one: https://github.com/sqlpage/SQLPage, tests/sql_test_files (hmac, sha256-base64).
    const config = shopify({ secret: "test-webhook-secret" });
    const sent: Sent = {
      body: '{"id":1234567890,"email":"customer@example.com","total_price":"123.45"}',
      headers: { "x-shopify-hmac-sha256": "QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gw=" },
    };
    assert.equal(verdictOf(config, sent), "verified");
    assert.equal(verdictOf(config, { ...sent, body: "{}" }), "mismatch");
    // The same bytes, but another text: the last character has two bits to spare.
    const other = { "x-shopify-hmac-sha256": "QNyObTlKbMx2qDlPF/ZOZcBqg5OgPg+2oky3zldc0Gx=" };
    assert.equal(verdictOf(config, { ...sent, headers: other }), "malformed");
  });
});

describe("GitLab", () => {
  test("its secret token is compared", () => {
    const verdict = (token: string): string =>
      verdictOf(gitlab({ secret: ["first", "sécond"] }), { headers: { "x-gitlab-token": token } });
    // As Node reads the bytes of a header.
    assert.deepEqual(
      ["first", "sécond"].map((token) => verdict(Buffer.from(token).toString("latin1"))),
      ["verified", "verified"],
    );
    assert.deepEqual(["firs", "first, first", "FIRST"].map(verdict), ["mismatch", "mismatch", "mismatch"]);
    assert.equal(verdictOf(gitlab({ secret: "first" }), {}), "missing");
  });

  // https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944: by Standard Webhooks, tested there with its library.
  test("its signing token verifies a signature, and is no secret token", () => {
    const body = '{"object_kind":"push"}';
    const headers = {
      "webhook-id": "0b4a2c5e",
      "webhook-timestamp": String(nowSeconds),
      "webhook-signature": new Webhook(webhookSecret).sign("0b4a2c5e", new Date(nowSeconds * 1_000), body),
    };
    const config = gitlab({ secret: webhookSecret });
    assert.equal(verdictOf(config, { body, headers }), "verified");
    assert.equal(verdictOf(config, { body: "{}", headers }), "mismatch");
    assert.equal(verdictOf(config, { body, headers: { "x-gitlab-token": webhookSecret } }), "missing");
    const changing = gitlab({ secret: ["token", webhookSecret] });
    assert.equal(verdictOf(changing, { body, headers }), "verified");
    assert.equal(verdictOf(changing, { body, headers: { "x-gitlab-token": "token" } }), "verified");
  });
});

describe("Twilio", () => {
  // https://github.com/twilio/twilio-node/blob/main/spec/validation.spec.js, except where a test says otherwise
  const config = twilio({ secret: "12345" });
  const origin = "https://mycompany.com";
  const path = "/myapp.php?foo=1&bar=2";
  const form = { "content-type": "application/x-www-form-urlencoded; charset=UTF-8" };
  const body = "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE";
  const verdict = (signature: string, sent: Sent): string =>
    verdictOf(config, { origin, path, ...sent, headers: { ...sent.headers, "x-twilio-signature": signature } });
  const formVerdict = (signature: string, sent: Sent = {}): string =>
    verdict(signature, { body, headers: form, ...sent });

  test("its published examples of forms are accepted", () => {
    assert.equal(formVerdict("RSOYDt4T1cUTdK1PDd93/VVr8B8="), "verified");
    assert.equal(
      formVerdict("83O6e2vORAoJHUNzJjDWN1jz+BA=", {
        body: "MessagingBinding.Address=%2B1415xxxxxxx&MessagingBinding.Address=%2B1325xxxxxxx",
      }),
      "verified",
    );
    assert.equal(
      formVerdict("IK+Dwps556ElfBT0I3Rgjkr1wJU=", {
        body: "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234",
      }),
      "verified",
    );
    assert.equal(formVerdict("dsq4Ehbj6cs+KdTkpF5sSSplOWw=", { path: `${path}&Body=It's+amazing` }), "verified");
  });

  test("the port may be part of what is signed or not", () => {
    const [http, port] = ["http://mycompany.com", ":1234"];
    assert.equal(formVerdict("RSOYDt4T1cUTdK1PDd93/VVr8B8=", { origin: origin + port }), "verified");
    assert.equal(formVerdict("Zmvh+3yNM1Phv2jhDCwEM3q5ebU=", { origin: http + port }), "verified");
    assert.equal(formVerdict("kvajT1Ptam85bY51eRf/AJRuM3w="), "verified");
    assert.equal(formVerdict("0ZXoZLH/DfblKGATFgpif+LLRf4=", { origin: http }), "verified");
    assert.equal(formVerdict("RSOYDt4T1cUTdK1PDd93/VVr8B8=", { origin: "https://other.com" }), "mismatch");
  });

  test("a body that is no form is covered by its hash in the URL", () => {
    const json = '{"property": "value", "boolean": true}';
    const hashed = `${path}&bodySHA256=${createHash("sha256").update(json).digest("hex")}`;
    const signature = "a9nBmqA0ju/hNViExpshrM61xv4=";
    const headers = { "content-type": "application/json" };
    assert.equal(verdict(signature, { path: hashed, headers, body: json }), "verified");
    assert.equal(verdict(signature, { path: hashed, headers, body: `${json} ` }), "mismatch");
    assert.equal(verdict(signature, { path: hashed.slice(0, -1), headers, body: json }), "mismatch");
    // Without a hash nothing covers the body.
    const urlAlone = hmacOf("sha1", "12345", origin + path).toString("base64");
    assert.equal(verdict(urlAlone, { headers, body: json }), "missing");
    assert.equal(verdict(urlAlone, { method: "GET" }), "verified");
  });

  test("what decodes to something else is refused", () => {
    const signature = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    assert.equal(formVerdict(signature, { body: body.replace("1234", "1235") }), "mismatch");
    assert.equal(formVerdict(signature, { body: `${body}&Extra=1` }), "mismatch");
    for (const bad of ["%", "%FF", "é", "a b", Array.from({ length: 1_001 }, () => "a=1").join("&")])
      assert.equal(formVerdict(signature, { body: bad }), "malformed", bad.slice(0, 10));
    assert.equal(formVerdict(""), "missing");
    assert.equal(formVerdict("WRONG_SIGNATURE"), "malformed");
  });

  // It cannot be "no byte": the protocol signs the parameters, without marks between them.
  test("no form is accepted whose parameters, in order, are another text", () => {
    const textOf = (bytes: string): string =>
      [...new Set([...new URLSearchParams(bytes)].map(([name, value]) => JSON.stringify([name, value])))]
        .map((pair) => JSON.parse(pair) as [string, string])
        .toSorted(([a, b], [c, d]) => (a < c || (a === c && b < d) ? -1 : 1))
        .flat()
        .join("");
    const pairs = fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.string()), { minLength: 1, maxLength: 5 });
    const property = fc.property(pairs, fc.nat(), fc.integer({ min: 1, max: 255 }), (parameters, at, bits) => {
      const sentForm = new URLSearchParams(parameters).toString();
      const signature = hmacOf("sha1", "12345", origin + path + textOf(sentForm)).toString("base64");
      assert.equal(formVerdict(signature, { body: sentForm }), "verified");
      const forged = flipped(Buffer.from(sentForm), at % sentForm.length, bits);
      const isAccepted = verdict(signature, { body: forged, headers: form }) === "verified";
      assert.ok(!isAccepted || textOf(forged.toString("latin1")) === textOf(sentForm), forged.toString("latin1"));
    });
    fc.assert(property, { numRuns: 200 });
  });
});

describe("hmac", () => {
  test("signs what its template says", () => {
    const config = hmac({
      header: "X-Signature",
      algorithm: "sha512",
      encoding: "base64",
      prefix: "hmac ",
      signed: "{method}\n{path}\n{url}\n{header:X-Id};{body}",
      secret,
    });
    const message = "PUT\n/a?b=c\nhttps://front.example/a?b=c\n7;hello";
    const headers = { "x-id": "7", "x-signature": `hmac ${hmacOf("sha512", secret, message).toString("base64")}` };
    const sent: Sent = { method: "PUT", path: "/a?b=c", body: "hello", headers };
    assert.equal(verdictOf(config, sent), "verified");
    const changes: readonly Sent[] = [
      { method: "POST" },
      { path: "/a?b=d" },
      { origin: "http://front.example" },
      { body: "hallo" },
      { headers: { ...headers, "x-id": "8" } },
    ];
    for (const change of changes) assert.equal(verdictOf(config, { ...sent, ...change }), "mismatch");
    assert.equal(verdictOf(config, { ...sent, headers: { ...headers, "x-id": "" } }), "missing");
  });

  test("takes a time in seconds or milliseconds where it has a tolerance", () => {
    const config = hmac({ header: "x-sign", signed: "{header:x-time}.{body}", toleranceSeconds: 60, secret });
    const verdict = (time: string): string =>
      verdictOf(config, {
        body: "b",
        headers: { "x-time": time, "x-sign": hmacOf("sha256", secret, `${time}.b`).toString("hex") },
      });
    assert.equal(verdict(String(nowSeconds - 60)), "verified");
    assert.equal(verdict(String(nowSeconds * 1_000 + 60_999)), "verified");
    assert.equal(verdict(String(nowSeconds - 61)), "expired");
    assert.equal(verdict(String((nowSeconds + 61) * 1_000)), "expired");
    for (const time of ["2023-11-14T22:13:20Z", "-1", "1e9", "170000000000"]) assert.equal(verdict(time), "malformed");
  });

  test("reads text and headers as the bytes that they were", () => {
    const config = hmac({ header: "x-sign", signed: "{header:x-name}:{body}", secret });
    const sign = createHmac("sha256", secret)
      .update("é:")
      .update(Buffer.from([255, 0]))
      .digest("hex");
    const headers = { "x-name": Buffer.from("é").toString("latin1"), "x-sign": sign };
    assert.equal(verdictOf(config, { body: Buffer.from([255, 0]), headers }), "verified");
  });
});

describe("credentials", () => {
  const authorization = (text: string): Sent => ({
    headers: { authorization: `Basic ${Buffer.from(text).toString("base64")}` },
  });

  test("basic knows its users, and says which it was", () => {
    const config = basic({ username: "ann", password: ["one", "två:"] }, { username: "bob", password: "one" });
    const verifier = verifierFor(config);
    for (const [shown, sender] of [
      ["ann:one", "ann"],
      ["ann:två:", "ann"],
      ["bob:one", "bob"],
    ] as const)
      assert.deepEqual(verifier.verify(callOf(authorization(shown))), { kind: "verified", sender });
    for (const shown of ["bob:två:", "ann:", "ann", "cid:one", "Ann:one"])
      assert.equal(verdictOf(config, authorization(shown)), "mismatch", shown);
    for (const header of ["Basic", "Basic !", "Bearer YQ==", "Basic YW5uOm9uZR==", "Basic YW5uOm9uZQ==, Basic YQ=="])
      assert.equal(verdictOf(config, { headers: { authorization: header } }), "malformed", header);
    assert.equal(verdictOf(config, {}), "missing");
    assert.equal(verdictOf(config, { headers: { authorization: "basic  YW5uOm9uZQ==" } }), "verified");
  });

  test("a key comes in a header, behind Bearer in Authorization, or in the query", () => {
    const inHeader = apiKey({ header: "X-Api-Key", secret: ["k1", "k2"] });
    const header = (value: string): string => verdictOf(inHeader, { headers: { "x-api-key": value } });
    assert.deepEqual(["k1", "k2", "k3", "k1, k2", ""].map(header), [
      "verified",
      "verified",
      "mismatch",
      "mismatch",
      "missing",
    ]);
    const bearer = (value: string): string =>
      verdictOf(apiKey({ header: "authorization", secret: "k1" }), { headers: { authorization: value } });
    assert.deepEqual(["Bearer k1", "bearer k1", "Bearer k2", "k1", "Basic k1"].map(bearer), [
      "verified",
      "verified",
      "mismatch",
      "malformed",
      "malformed",
    ]);
    const inQuery = (path: string): string => verdictOf(apiKey({ query: "key", secret: "k 1" }), { path });
    assert.deepEqual(
      ["/?key=k+1", "/a?b=c&key=k%201", "/?key=k2", "/?key=k+1&key=k2", "/?key=", "/?Key=k+1"].map(inQuery),
      ["verified", "verified", "mismatch", "malformed", "malformed", "missing"],
    );
  });
});

describe("whatever is sent", () => {
  /** A signed call of each scheme, and the headers that its signature covers. */
  interface Scheme {
    readonly name: string;
    readonly config: VerifyConfig;
    readonly signed: (body: string) => Sent;
    readonly covered: readonly string[];
  }
  const time = String(nowSeconds);
  const schemes: readonly Scheme[] = [
    {
      name: "github",
      config: github({ secret }),
      signed: (body) => ({
        body,
        headers: { "x-hub-signature-256": `sha256=${hmacOf("sha256", secret, body).toString("hex")}` },
      }),
      covered: ["x-hub-signature-256"],
    },
    {
      name: "shopify",
      config: shopify({ secret }),
      signed: (body) => ({
        body,
        headers: { "x-shopify-hmac-sha256": hmacOf("sha256", secret, body).toString("base64") },
      }),
      covered: ["x-shopify-hmac-sha256"],
    },
    {
      name: "stripe",
      config: stripe({ secret }),
      signed: (body) => ({
        body,
        headers: {
          "stripe-signature": `t=${time},v1=${hmacOf("sha256", secret, `${time}.${body}`).toString("hex")}`,
        },
      }),
      covered: ["stripe-signature"],
    },
    {
      name: "slack",
      config: slack({ secret }),
      signed: (body) => ({
        body,
        headers: {
          "x-slack-request-timestamp": time,
          "x-slack-signature": `v0=${hmacOf("sha256", secret, `v0:${time}:${body}`).toString("hex")}`,
        },
      }),
      covered: ["x-slack-request-timestamp", "x-slack-signature"],
    },
    {
      name: "standardWebhooks",
      config: standardWebhooks({ secret: webhookSecret }),
      signed: (body) => ({
        body,
        headers: webhookHeaders({ id: "msg_1", timestamp: nowSeconds, body: Buffer.from(body) }, [
          parseWebhookSecret(webhookSecret),
        ]),
      }),
      covered: ["webhook-id", "webhook-timestamp", "webhook-signature"],
    },
    {
      name: "twilio with a hash",
      config: twilio({ secret }),
      signed: (body) => {
        const path = `/hook?bodySHA256=${createHash("sha256").update(body).digest("hex")}`;
        const signature = hmacOf("sha1", secret, `https://front.example${path}`).toString("base64");
        return { body, path, headers: { "x-twilio-signature": signature } };
      },
      covered: ["x-twilio-signature"],
    },
    {
      name: "hmac",
      config: hmac({ header: "x-sign", signed: "{method} {path}\n{header:x-id}\n{body}", secret }),
      signed: (body) => ({
        body,
        headers: { "x-id": "7", "x-sign": hmacOf("sha256", secret, `POST /hook\n7\n${body}`).toString("hex") },
      }),
      covered: ["x-id", "x-sign"],
    },
  ];

  for (const { name, config, signed, covered } of schemes) {
    test(`${name}: no byte of the body, of a signed header or of a signed path can change`, () => {
      const verifier = verifierFor(config);
      const bodies = fc.string({ minLength: 1, maxLength: 60 });
      const property = fc.property(bodies, fc.nat(), fc.integer({ min: 1, max: 255 }), (body, at, bits) => {
        const call = callOf(signed(body));
        assert.equal(wordOf(verifier.verify(call)), "verified");
        const bodyAt = at % call.body.length;
        const forged: SignedCall[] = [
          { ...call, body: flipped(call.body, bodyAt, bits) },
          { ...call, body: call.body.subarray(0, bodyAt) },
          { ...call, body: Buffer.concat([call.body, Buffer.from([bits])]) },
        ];
        for (const header of covered) {
          const value = Buffer.from(String(call.headers[header]), "latin1");
          const changed = flipped(value, at % value.length, bits).toString("latin1");
          forged.push({ ...call, headers: { ...call.headers, [header]: changed } });
          forged.push({
            ...call,
            headers: { ...call.headers, [header]: `${changed}, ${String(call.headers[header])}` },
          });
        }
        if (name === "hmac" || name.startsWith("twilio")) {
          const path = flipped(Buffer.from(call.path), at % call.path.length, bits).toString("latin1");
          forged.push({ ...call, path, url: `https://front.example${path}` });
        }
        if (name === "hmac") forged.push({ ...call, method: "PUT" });
        const accepted = forged.find((one) => verifier.verify(one).kind === "verified");
        assert.equal(accepted, undefined);
      });
      fc.assert(property, { numRuns: 100 });
    });
  }

  test("a verifier never throws, gives one of the known reasons, and shows no secret", () => {
    const configs: readonly VerifyConfig[] = [
      ...schemes.map(({ config }) => config),
      gitlab({ secret: [secret, webhookSecret] }),
      basic({ username: "ann", password: secret }),
      apiKey({ header: "authorization", secret }),
      apiKey({ query: "key", secret }),
    ];
    const names = [...new Set(schemes.flatMap(({ covered }) => covered)), "x-gitlab-token", "authorization"];
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom(
        "Basic ",
        "t=1,v1=",
        `t=${time},v1=00`,
        "sha256=",
        `v0=${"0".repeat(64)}`,
        time,
        "v1,AAAA",
        "a=%",
      ),
    );
    const headersOf = fc.dictionary(fc.constantFrom(...names, "content-type"), value);
    const verifiers = configs.map(verifierFor);
    const property = fc.property(headersOf, fc.string(), fc.string(), (headers, body, query) => {
      for (const verifier of verifiers) {
        const result = verifier.verify(callOf({ headers, body, path: `/hook?${query}` }));
        if (result.kind === "refused") assert.ok(refusalReasons.includes(result.reason));
        for (const known of [secret, webhookSecret.slice(6)]) assert.ok(!JSON.stringify(result).includes(known));
      }
    });
    fc.assert(property, { numRuns: 100 });
    const settings = configs.map((config) => readVerify("verify", config, {}));
    const shown = inspect(settings, { depth: 9 }) + JSON.stringify(settings);
    for (const known of [secret, webhookSecret.slice(6)]) assert.ok(!shown.includes(known));
  });
});
