// Stripe-Signature: t=TIME,v1=SIGNATURE over `TIME.BODY`; a v1 for each secret, and schemes that are not looked at.
// https://docs.stripe.com/webhooks#verify-manually
import type { StripeSettings } from "./settings.ts";
import { headerOf, refused, verified, type SignedCall, type Verified } from "./signed-call.ts";
import { isInTime, isSigned, readSeconds, readSignature, signaturesMax } from "./signature.ts";

export function verifyStripe({ secrets, toleranceSeconds }: StripeSettings, call: SignedCall): Verified {
  const header = headerOf(call, "stripe-signature");
  if (header === undefined) return refused("missing");
  const { times, signatures } = readHeader(header) ?? { times: [], signatures: [] };
  const [time] = times;
  const seconds = time === undefined || times.length > 1 ? undefined : readSeconds(time);
  if (time === undefined || seconds === undefined || signatures.length === 0 || signatures.length > signaturesMax)
    return refused("malformed");
  const message = [`${time}.`, call.body];
  if (!isSigned({ algorithm: "sha256", secrets, message, signatures })) return refused("mismatch");
  return isInTime({ seconds, nowMs: call.nowMs, toleranceSeconds }) ? verified : refused("expired");
}

interface StripeHeader {
  readonly times: readonly string[];
  readonly signatures: readonly Uint8Array[];
}

/** Undefined for what is no list of NAME=VALUE, such as two headers in one. */
function readHeader(header: string): StripeHeader | undefined {
  const items = header.split(",");
  if (!items.every((item) => /^\w+=\S*$/.test(item))) return undefined;
  const valuesOf = (name: string): string[] =>
    items.filter((item) => item.startsWith(`${name}=`)).map((item) => item.slice(name.length + 1));
  return {
    times: valuesOf("t"),
    signatures: valuesOf("v1").flatMap((text) => readSignature(text, "hex") ?? []),
  };
}
