// X-Twilio-Signature: an HMAC-SHA1 over the URL and, of a form, every parameter: names in order, each followed by its values.
// Another body is covered by the bodySHA256 in the URL. https://www.twilio.com/docs/usage/webhooks/webhooks-security
//
// Twilio signs what a form says and not its bytes: the same parameters in another order or encoding have the same signature.
import { hash } from "node:crypto";
import type { TwilioSettings } from "./settings.ts";
import {
  headerOf,
  queryValues,
  refused,
  verified,
  type Refused,
  type SignedCall,
  type Verified,
} from "./signed-call.ts";
import { isSigned, readSignature } from "./signature.ts";

const parametersMax = 1_000;

export function verifyTwilio({ secrets }: TwilioSettings, call: SignedCall): Verified {
  const header = headerOf(call, "x-twilio-signature");
  if (header === undefined) return refused("missing");
  const signature = readSignature(header, "base64");
  if (signature === undefined) return refused("malformed");
  const parameters = isForm(call) ? signedForm(call.body) : signedHash(call);
  if (typeof parameters !== "string") return parameters;
  const signedBy = (url: string): boolean =>
    isSigned({ algorithm: "sha1", secrets, message: [url, Buffer.from(parameters)], signatures: [signature] });
  return urlsOf(call.url).filter(signedBy).length > 0 ? verified : refused("mismatch");
}

function isForm({ headers }: SignedCall): boolean {
  return /^application\/x-www-form-urlencoded[ \t]*(?:;|$)/i.test(headers["content-type"] ?? "");
}

/** Twilio's own code accepts both: it is not consistent in whether the port is part of what it signs. */
function urlsOf(url: string): readonly string[] {
  const [, scheme = "", host = "", port, path = ""] = /^(https?:\/\/)([^/?#]*?)(:\d+)?([/?#].*)?$/i.exec(url) ?? [];
  const standard = scheme.toLowerCase() === "http://" ? ":80" : ":443";
  return [`${scheme}${host}${path}`, `${scheme}${host}${port ?? standard}${path}`];
}

function signedForm(body: Uint8Array): string | Refused {
  const items = Buffer.from(body)
    .toString("latin1")
    .split("&", parametersMax + 1);
  if (items.length > parametersMax) return refused("malformed");
  const values = new Map<string, Set<string>>();
  try {
    for (const item of items) {
      if (item === "") continue;
      const [name, value] = decoded(item);
      values.set(name, (values.get(name) ?? new Set()).add(value));
    }
  } catch {
    return refused("malformed"); // a percent sign without its digits, or what is not UTF-8
  }
  return [...values.keys()]
    .toSorted()
    .flatMap((name) => [...(values.get(name) ?? [])].toSorted().map((value) => name + value))
    .join("");
}

/** Throws where the usual decoder would put a replacement character, which could be read from several bytes. */
function decoded(item: string): readonly [name: string, value: string] {
  if (/[^\x21-\x7e]/.test(item)) throw new URIError("a form is visible ASCII");
  const text = item.replaceAll("+", " ");
  const at = text.indexOf("=");
  if (at === -1) return [decodeURIComponent(text), ""];
  return [decodeURIComponent(text.slice(0, at)), decodeURIComponent(text.slice(at + 1))];
}

/** Of a body that is no form: nothing, if the URL has its hash, or if there is none. */
function signedHash({ path, body }: SignedCall): string | Refused {
  const hashes = queryValues(path, "bodySHA256");
  if (hashes.length === 0) return body.length === 0 ? "" : refused("missing");
  return hashes.length === 1 && hashes[0] === hash("sha256", body, "hex") ? "" : refused("mismatch");
}
