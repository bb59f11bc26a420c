// Standard Webhooks 1.0: webhook-signature holds v1,SIGNATURE over `ID.TIME.BODY`, one for each secret, separated by spaces.
// https://www.standardwebhooks.com
import type { StandardWebhooksSettings } from "./settings.ts";
import { headerOf, refused, verified, type SignedCall, type Verified } from "./signed-call.ts";
import { isInTime, isSigned, readSeconds, readSignature, signaturesMax } from "./signature.ts";

const version = "v1,";

export function verifyStandardWebhooks(settings: StandardWebhooksSettings, call: SignedCall): Verified {
  const { secrets, toleranceSeconds } = settings;
  const [id, time, header] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    headerOf(call, name),
  );
  if (id === undefined || time === undefined || header === undefined) return refused("missing");
  const seconds = readSeconds(time);
  const signatures = readHeader(header);
  // With a dot in the id, the same bytes could be read as another id, time and body.
  if (id.includes(".") || seconds === undefined || signatures.length === 0 || signatures.length > signaturesMax)
    return refused("malformed");
  const message = [`${id}.${time}.`, call.body];
  if (!isSigned({ algorithm: "sha256", secrets, message, signatures })) return refused("mismatch");
  return isInTime({ seconds, nowMs: call.nowMs, toleranceSeconds }) ? verified : refused("expired");
}

/** Those of our version; none in what is no list of VERSION,SIGNATURE, such as two headers in one. */
function readHeader(header: string): readonly Uint8Array[] {
  const items = header.split(" ");
  if (!items.every((item) => /^\w+,[^,]+$/.test(item))) return [];
  return items
    .filter((item) => item.startsWith(version))
    .flatMap((item) => readSignature(item.slice(version.length), "base64") ?? []);
}
