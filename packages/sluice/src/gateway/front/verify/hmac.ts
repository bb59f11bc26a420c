// One signature in one header: GitHub, Shopify, Slack, and whatever `hmac` describes.
import type { HmacSettings, SignedPart } from "./settings.ts";
import { headerOf, refused, verified, type SignedCall, type Verified } from "./signed-call.ts";
import { isInTime, isSigned, readSeconds, readSignature } from "./signature.ts";

export function verifyHmac(settings: HmacSettings, call: SignedCall): Verified {
  const { header, prefix, algorithm, encoding, signed, toleranceSeconds, secrets } = settings;
  const shown = headerOf(call, header);
  const message = signed.map((part) => bytesOf(part, call));
  if (shown === undefined || !isWhole(message)) return refused("missing");
  const signature = shown.startsWith(prefix) ? readSignature(shown.slice(prefix.length), encoding) : undefined;
  const seconds = toleranceSeconds === undefined ? undefined : timeOf(signed, call);
  if (signature === undefined || (toleranceSeconds !== undefined && seconds === undefined)) return refused("malformed");
  if (!isSigned({ algorithm, secrets, message, signatures: [signature] })) return refused("mismatch");
  if (toleranceSeconds === undefined || seconds === undefined) return verified;
  return isInTime({ seconds, nowMs: call.nowMs, toleranceSeconds }) ? verified : refused("expired");
}

/** Undefined for a header that is missing. */
function bytesOf(part: SignedPart, call: SignedCall): string | Uint8Array | undefined {
  switch (part.kind) {
    case "text":
      return part.text;
    case "header":
      return headerOf(call, part.name);
    case "body":
    case "method":
    case "path":
    case "url":
      return call[part.kind];
    default:
      return part satisfies never;
  }
}

function isWhole(message: readonly (string | Uint8Array | undefined)[]): message is readonly (string | Uint8Array)[] {
  return !message.includes(undefined);
}

function timeOf(signed: readonly SignedPart[], call: SignedCall): number | undefined {
  const part = signed.find(({ kind }) => kind === "header");
  const text = part?.kind === "header" ? headerOf(call, part.name) : undefined;
  return text === undefined ? undefined : readSeconds(text);
}
