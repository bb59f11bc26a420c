// What a provider sends once, to learn whether the URL is meant: answered, and not stored. The answer repeats what came, so it
// is bounded, plain text, and nothing that a browser would run.
import { parseJson } from "../json.ts";
import { isKnown } from "./verify/signature.ts";
import { queryValues, refused, type Refused, type SignedCall } from "./verify/signed-call.ts";

export type HandshakeSettings =
  /** `url_verification`: https://docs.slack.dev/reference/events/url_verification */
  | { readonly kind: "slack" }
  /** `validationToken`: https://learn.microsoft.com/graph/change-notifications-delivery-webhooks */
  | { readonly kind: "microsoft-graph" }
  /** `hub.challenge`: https://developers.facebook.com/docs/graph-api/webhooks/getting-started */
  | { readonly kind: "meta"; /** SHA-256 of each verify token. */ readonly tokens: readonly Uint8Array[] };

/** Undefined for a call that is no handshake: an ordinary request. */
export type Handshake = HandshakeAnswer | Refused | undefined;

export interface HandshakeAnswer {
  readonly kind: "answered";
  readonly status: 200;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type HandshakeCall = Pick<SignedCall, "method" | "path" | "body">;

const challengeRule = /^[\x20-\x7e]{1,1024}$/;
const slackBodyBytesMax = 16 * 1024;

const headers = {
  "content-type": "text/plain; charset=utf-8",
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; sandbox",
  "cache-control": "no-store",
};

/** Slack signs its handshake as it signs all else. The others sign nothing: theirs come before the call is verified. */
export function isSignedHandshake({ kind }: HandshakeSettings): boolean {
  return kind === "slack";
}

export function handshakeOf(settings: HandshakeSettings, call: HandshakeCall): Handshake {
  switch (settings.kind) {
    case "slack":
      return slackHandshake(call);
    case "microsoft-graph":
      return call.method === "POST" ? answerOf(queryValues(call.path, "validationToken")) : undefined;
    case "meta":
      return metaHandshake(settings.tokens, call);
    default:
      return settings satisfies never;
  }
}

function slackHandshake({ method, body }: HandshakeCall): Handshake {
  if (method !== "POST" || body.length > slackBodyBytesMax) return undefined;
  const parsed = parseJson(body);
  if (parsed.kind !== "json" || typeof parsed.value !== "object" || parsed.value === null) return undefined;
  const { type, challenge } = parsed.value as { readonly type?: unknown; readonly challenge?: unknown };
  return type === "url_verification" ? answerOf([challenge]) : undefined;
}

function metaHandshake(tokens: readonly Uint8Array[], { method, path }: HandshakeCall): Handshake {
  const [mode, ...modes] = queryValues(path, "hub.mode");
  if (method !== "GET" || mode !== "subscribe" || modes.length > 0) return undefined;
  const [token, ...others] = queryValues(path, "hub.verify_token");
  if (token === undefined) return refused("missing");
  if (others.length > 0 || !isKnown(tokens, token)) return refused("mismatch");
  return answerOf(queryValues(path, "hub.challenge")) ?? refused("malformed");
}

/** One text of visible ASCII; anything else is no handshake. */
function answerOf(challenges: readonly unknown[]): HandshakeAnswer | undefined {
  const [challenge] = challenges;
  if (challenges.length !== 1 || typeof challenge !== "string" || !challengeRule.test(challenge)) return undefined;
  return { kind: "answered", status: 200, headers, body: challenge };
}
