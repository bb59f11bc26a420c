// Callers that show what they know, instead of signing with it: a password or a key.
import type { ApiKeySettings, BasicSettings } from "./settings.ts";
import { headerOf, queryValues, refused, verified, type SignedCall, type Verified } from "./signed-call.ts";
import { isKnown, readSignature } from "./signature.ts";

export function verifyBasic({ users }: BasicSettings, call: SignedCall): Verified {
  const header = headerOf(call, "authorization");
  if (header === undefined) return refused("missing");
  const [, base64 = ""] = /^Basic +(\S+)$/i.exec(header) ?? [];
  const shown = readSignature(base64, "base64");
  if (shown === undefined) return refused("malformed");
  const known = users.filter(({ digests }) => isKnown(digests, shown));
  return known[0] === undefined ? refused("mismatch") : { kind: "verified", sender: known[0].username };
}

export function verifyApiKey({ in: place, name, digests }: ApiKeySettings, call: SignedCall): Verified {
  const shown = place === "header" ? keysInHeader(name, call) : queryValues(call.path, name);
  if (shown.length > 1 || shown[0] === "") return refused("malformed");
  if (shown[0] === undefined) return refused("missing");
  return isKnown(digests, shown[0]) ? verified : refused("mismatch");
}

function keysInHeader(name: string, call: SignedCall): readonly (string | Uint8Array)[] {
  const header = headerOf(call, name);
  if (header === undefined) return [];
  const [, key] = name === "authorization" ? (/^Bearer +(\S+)$/i.exec(header) ?? [undefined, ""]) : [undefined, header];
  return [key === "" || key === undefined ? "" : Buffer.from(key, "latin1")];
}
