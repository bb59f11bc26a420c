import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, it } from "node:test";
import { CallbackError, verifyCallback, type CallbackErrorCode } from "./verify-callback.ts";

const secret = `whsec_${Buffer.from("a secret of twenty-four bytes").toString("base64")}`;
const other = `whsec_${Buffer.from("another one, as long as that").toString("base64")}`;
const body = '{"type":"request.done","timestamp":"2026-11-25T00:00:00.000Z","data":{"id":"7","result":null}}';
const now = 1_764_028_800_000;

interface Posted {
  readonly id?: string;
  readonly at?: number;
  readonly with?: readonly string[];
  readonly body?: string;
}

/** Signed apart from the product's own signing, by the words of the specification. */
function posted({ id = "msg_1", at = now, with: secrets = [secret], body: text = body }: Posted = {}) {
  const timestamp = String(Math.floor(at / 1_000));
  const signatures = secrets.map((one) => {
    const key = Buffer.from(one.slice("whsec_".length), "base64");
    return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${text}`).digest("base64")}`;
  });
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}

async function refused(verifying: Promise<unknown>, code: CallbackErrorCode): Promise<void> {
  await assert.rejects(verifying, (error) => error instanceof CallbackError && error.code === code);
}

describe("verifyCallback", () => {
  it("gives the callback and its id, whichever way body and headers are held", async () => {
    const headers = posted();
    const { id, callback } = await verifyCallback({ body, headers, secret, now });
    assert.deepEqual([id, callback.type, callback.data.id], ["msg_1", "request.done", "7"]);
    await verifyCallback({ body: Buffer.from(body), headers: new Headers(headers), secret, now });
    const shouted = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]]));
    await verifyCallback({ body, headers: shouted, secret, now });
  });

  it("verifies the example of the specification", async () => {
    // https://github.com/standard-webhooks/standard-webhooks, libraries: msg_p5jXN8AQM9LWM0D4loKWxJek
    const verifying = verifyCallback({
      body: '{"test": 2432232314}',
      headers: {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
      },
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
      now: 1_614_265_330_000,
    });
    await refused(verifying, "unreadable"); // proved, and of somebody else's shape
  });

  it("refuses another body, another id, another time, another secret", async () => {
    const headers = posted();
    await refused(verifyCallback({ body: `${body} `, headers, secret, now }), "forged");
    await refused(verifyCallback({ body, headers: { ...headers, "webhook-id": "msg_2" }, secret, now }), "forged");
    const later = { ...headers, "webhook-timestamp": String(now / 1_000 + 1) };
    await refused(verifyCallback({ body, headers: later, secret, now }), "forged");
    await refused(verifyCallback({ body, headers, secret: other, now }), "forged");
  });

  it("takes a signature of any of its secrets, and any of the signatures", async () => {
    await verifyCallback({ body, headers: posted({ with: [other, secret] }), secret, now });
    await verifyCallback({ body, headers: posted({ with: [other] }), secret: [secret, other], now });
    const versions = { ...posted(), "webhook-signature": `v1a,AAAA v2,zz ${posted()["webhook-signature"]}` };
    await verifyCallback({ body, headers: versions, secret, now });
  });

  it("refuses what was posted more than five minutes from now, on either side", async () => {
    for (const apartMs of [-300_000, 300_000]) {
      await verifyCallback({ body, headers: posted({ at: now + apartMs }), secret, now });
      const beyond = posted({ at: now + apartMs + Math.sign(apartMs) * 1_000 });
      await refused(verifyCallback({ body, headers: beyond, secret, now }), "untimely");
      await verifyCallback({ body, headers: beyond, secret, now, toleranceSeconds: 301 });
    }
  });

  it("refuses what has no signature that could be read", async () => {
    for (const name of ["webhook-id", "webhook-timestamp", "webhook-signature"]) {
      await refused(verifyCallback({ body, headers: { ...posted(), [name]: undefined }, secret, now }), "unsigned");
    }
    await refused(
      verifyCallback({ body, headers: { ...posted(), "webhook-timestamp": "1e9" }, secret, now }),
      "unsigned",
    );
    for (const signature of ["v1,", "v1,?", "v1", "v2,AAAA", "AAAA"]) {
      await refused(
        verifyCallback({ body, headers: { ...posted(), "webhook-signature": signature }, secret, now }),
        "forged",
      );
    }
  });

  it("says when a secret is none", async () => {
    for (const bad of ["", "hush", "whsec_", "whsec_?", []]) {
      await refused(verifyCallback({ body, headers: posted(), secret: bad, now }), "bad-secret");
    }
  });
});
