// Signatures by Standard Webhooks 1.0: an HMAC-SHA256 over id, time and body, one for each secret, so that a secret can be
// changed while both are known. https://www.standardwebhooks.com
import { createHmac } from "node:crypto";
import { SluiceError } from "./errors.ts";

/** The bytes that a secret stands for. */
export type WebhookSecret = Uint8Array & { readonly __brand: "WebhookSecret" };

/** Those of a queue. */
export type SecretsOf = (queue: string) => readonly WebhookSecret[];

const prefix = "whsec_";
const bytesMin = 24;
const bytesMax = 64;

/** Errors: `bad-config`, with the rule and without the secret. */
export function parseWebhookSecret(text: string): WebhookSecret {
  const base64 = text.startsWith(prefix) ? text.slice(prefix.length) : "";
  const bytes = Buffer.from(base64, "base64");
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(base64) && bytes.toString("base64") === base64;
  if (isBase64 && bytes.length >= bytesMin && bytes.length <= bytesMax) return bytes as Uint8Array as WebhookSecret;
  throw new SluiceError(
    "bad-config",
    `a callback's secret is ${prefix} and the base64 of ${bytesMin} to ${bytesMax} random bytes`,
  );
}

export interface Signed {
  /** The same for each attempt at the same callback. */
  readonly id: string;
  /** When this attempt is made, in seconds since 1970. */
  readonly timestamp: number;
  readonly body: Uint8Array;
}

/** The headers of a signed post. */
export function webhookHeaders(signed: Signed, secrets: readonly WebhookSecret[]): Record<string, string> {
  return {
    "webhook-id": signed.id,
    "webhook-timestamp": String(signed.timestamp),
    "webhook-signature": secrets.map((secret) => signatureOf(signed, secret)).join(" "),
  };
}

function signatureOf({ id, timestamp, body }: Signed, secret: WebhookSecret): string {
  const hmac = createHmac("sha256", secret).update(`${id}.${timestamp}.`).update(body);
  return `v1,${hmac.digest("base64")}`;
}
