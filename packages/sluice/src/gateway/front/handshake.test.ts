import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { meta, slack, type HandshakeConfig } from "../../config/front-values.ts";
import { readHandshake } from "../../config/read-handshake.ts";
import { readVerify } from "../../config/read-verify.ts";
import { handshakeOf, isSignedHandshake, type HandshakeCall } from "./handshake.ts";

/** The text that was answered, a reason, or undefined for an ordinary request. */
function answerTo(config: HandshakeConfig, call: Partial<HandshakeCall>): string | undefined {
  const settings = readHandshake("handshake", config, { env: {}, verify: undefined });
  assert.ok(settings);
  const handshake = handshakeOf(settings, { method: "POST", path: "/hook", body: new Uint8Array(), ...call });
  if (handshake?.kind !== "answered") return handshake?.reason;
  // Whatever it repeats, no browser runs it.
  assert.equal(handshake.status, 200);
  assert.equal(handshake.headers["content-type"], "text/plain; charset=utf-8");
  assert.equal(handshake.headers["x-content-type-options"], "nosniff");
  assert.match(String(handshake.headers["content-security-policy"]), /sandbox/);
  return handshake.body;
}

describe("Slack", () => {
  const body = (value: unknown): Partial<HandshakeCall> => ({ body: Buffer.from(JSON.stringify(value)) });

  test("gets its challenge back", () => {
    // https://docs.slack.dev/reference/events/url_verification
    const sent = {
      token: "Jhj5dZrVaK7ZwHHjRyZWjbDl",
      challenge: "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
      type: "url_verification",
    };
    assert.equal(answerTo("slack", body(sent)), sent.challenge);
  });

  test("sends all else as requests", () => {
    for (const value of [
      { type: "event_callback", challenge: "a" },
      { type: "url_verification" },
      { type: "url_verification", challenge: 7 },
      { type: "url_verification", challenge: "a".repeat(1_025) },
      { type: "url_verification", challenge: "a\r\nb" },
      { type: "url_verification", challenge: "a", more: "x".repeat(16 * 1_024) },
      [],
      null,
    ])
      assert.equal(answerTo("slack", body(value)), undefined);
    assert.equal(answerTo("slack", { body: Buffer.from("nope") }), undefined);
    assert.equal(
      answerTo("slack", { ...body({ type: "url_verification", challenge: "a" }), method: "GET" }),
      undefined,
    );
  });

  test("is answered where Slack is verified, after that, unless something else is given", () => {
    const verify = readVerify("verify", slack({ secret: "s" }), {});
    const settings = readHandshake("handshake", undefined, { env: {}, verify });
    assert.deepEqual(settings, { kind: "slack" });
    assert.ok(isSignedHandshake(settings));
    assert.equal(readHandshake("handshake", undefined, { env: {}, verify: { kind: "public" } }), undefined);
    assert.deepEqual(readHandshake("handshake", "microsoft-graph", { env: {}, verify }), { kind: "microsoft-graph" });
  });
});

describe("Meta", () => {
  // https://developers.facebook.com/docs/graph-api/webhooks/getting-started
  const path = "/hook?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock";
  const config = meta({ verifyToken: ["next", "meatyhamhock"] });
  const answer = (changed: string, method = "GET"): string | undefined => answerTo(config, { method, path: changed });

  test("gets its challenge back for the token that it was given", () => {
    assert.equal(answer(path), "1158201444");
    assert.equal(answer(path.replace("meatyhamhock", "next")), "1158201444");
  });

  test("is refused with another token, without one, or without a challenge", () => {
    assert.equal(answer(path.replace("meatyhamhock", "meatyhamhocK")), "mismatch");
    assert.equal(answer(`${path}&hub.verify_token=next`), "mismatch");
    assert.equal(answer(path.replace("&hub.verify_token=meatyhamhock", "")), "missing");
    for (const challenge of ["", "%0A", "a".repeat(1_025), "1&hub.challenge=2"])
      assert.equal(answer(path.replace("1158201444", challenge)), "malformed", challenge);
  });

  test("sends all else as requests", () => {
    assert.equal(answer(path, "POST"), undefined);
    assert.equal(answer(path.replace("subscribe", "other")), undefined);
    assert.equal(answer("/hook"), undefined);
  });
});

describe("Microsoft Graph", () => {
  // https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
  const text = "Validation: Testing client application reachability for subscription Request-Id: 25460850";
  const answer = (token: string, method = "POST"): string | undefined =>
    answerTo("microsoft-graph", { method, path: `/hook?validationToken=${token}` });

  test("gets its token back, decoded", () => {
    assert.equal(answer(encodeURIComponent(text)), text);
    assert.equal(answer(encodeURIComponent(text).replaceAll("%20", "+")), text);
    assert.equal(answer("%3Cscript%3Ealert(1)%3C%2Fscript%3E"), "<script>alert(1)</script>"); // as plain text
  });

  test("sends all else as requests", () => {
    for (const token of ["", "%0D%0A", "a".repeat(1_025), "a&validationToken=b", "%FF"])
      assert.equal(answer(token), undefined, token);
    assert.equal(answer("a", "GET"), undefined);
    assert.equal(answerTo("microsoft-graph", {}), undefined);
  });
});

test("only Slack's handshake is signed", () => {
  assert.equal(isSignedHandshake({ kind: "microsoft-graph" }), false);
  assert.equal(isSignedHandshake({ kind: "meta", tokens: [] }), false);
});
