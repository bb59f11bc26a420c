// What a front route says of its sender and of its keys: plain, frozen descriptors. They check nothing; read-verify.ts,
// read-source.ts and read-handshake.ts do, and name the route that is wrong.

/** The text itself, or where it is. */
export type SecretText = string | SecretReference;

/** Several are all valid, so that a secret can be changed while both are in use. */
export type Secrets = SecretText | readonly SecretText[];

export type SecretReference = Readonly<{ kind: "secret"; name: string }>;

export interface SecretOptions {
  readonly secret: Secrets;
}

export interface TimedSecretOptions extends SecretOptions {
  /** How far the sender's clock may be off, and how old a request may be; 300. */
  readonly toleranceSeconds?: number;
}

export interface HmacOptions extends SecretOptions {
  /** The header with the signature. */
  readonly header: string;
  /** `"sha256"`. */
  readonly algorithm?: "sha1" | "sha256" | "sha512";
  /** `"hex"`, in lower case. */
  readonly encoding?: "hex" | "base64";
  /** What comes before the signature in its header, as `"sha256="`; nothing unless set. */
  readonly prefix?: string;
  /**
   * What is signed: `"body"` unless set, or a template such as `"{header:x-timestamp}.{body}"` with the parts `{body}`,
   * `{method}`, `{path}` (with its query), `{url}` and `{header:NAME}`. A separator between two parts keeps bytes of one from
   * passing for bytes of the other.
   */
  readonly signed?: string;
  /**
   * With it, `signed` has one `{header:NAME}`: the time of the request, in seconds or milliseconds since 1970. Without it a
   * request is valid forever.
   */
  readonly toleranceSeconds?: number;
}

export interface BasicUser {
  readonly username: string;
  readonly password: Secrets;
}

/** A header or a query parameter, and not both. In `Authorization` the key comes after `Bearer`. */
export type ApiKeyOptions = SecretOptions &
  ({ readonly header: string; readonly query?: never } | { readonly query: string; readonly header?: never });

/** The environment variable NAME, or the file that NAME_FILE names. */
export function secret(name: string): SecretReference {
  return frozen("secret", { name });
}

export type GithubVerify = Descriptor<"github", SecretOptions>;
/** `X-Hub-Signature-256`. */
export function github(options: SecretOptions): GithubVerify {
  return frozen("github", options);
}

export type GitlabVerify = Descriptor<"gitlab", SecretOptions>;
/** The secret token of `X-Gitlab-Token`, or the signing token (`whsec_…`) of `webhook-signature`. */
export function gitlab(options: SecretOptions): GitlabVerify {
  return frozen("gitlab", options);
}

export type StripeVerify = Descriptor<"stripe", TimedSecretOptions>;
/** `Stripe-Signature`. */
export function stripe(options: TimedSecretOptions): StripeVerify {
  return frozen("stripe", options);
}

export type ShopifyVerify = Descriptor<"shopify", SecretOptions>;
/** `X-Shopify-Hmac-Sha256`. */
export function shopify(options: SecretOptions): ShopifyVerify {
  return frozen("shopify", options);
}

export type SlackVerify = Descriptor<"slack", TimedSecretOptions>;
/** `X-Slack-Signature`. Slack's `url_verification` is answered. */
export function slack(options: TimedSecretOptions): SlackVerify {
  return frozen("slack", options);
}

export type TwilioVerify = Descriptor<"twilio", SecretOptions>;
/** `X-Twilio-Signature`, with the account's auth token as the secret. */
export function twilio(options: SecretOptions): TwilioVerify {
  return frozen("twilio", options);
}

export type StandardWebhooksVerify = Descriptor<"standardWebhooks", TimedSecretOptions>;
/** `webhook-signature` by Standard Webhooks, with secrets `whsec_…`. */
export function standardWebhooks(options: TimedSecretOptions): StandardWebhooksVerify {
  return frozen("standardWebhooks", options);
}

export type HmacVerify = Descriptor<"hmac", HmacOptions>;
/** Any other sender that signs with an HMAC. */
export function hmac(options: HmacOptions): HmacVerify {
  return frozen("hmac", options);
}

export type BasicVerify = Descriptor<"basic", { readonly users: readonly BasicUser[] }>;
/** `Authorization: Basic`, for one or several users. */
export function basic(...users: readonly BasicUser[]): BasicVerify {
  return frozen("basic", { users: Object.freeze([...users]) });
}

export type ApiKeyVerify = Descriptor<"apiKey", ApiKeyOptions>;
/** A fixed key in a header or a query parameter. */
export function apiKey(options: ApiKeyOptions): ApiKeyVerify {
  return frozen("apiKey", options);
}

export type SluiceKeysVerify = Descriptor<"sluiceKeys", object>;
/** The API's own keys. `verify: sluiceKeys` and `verify: sluiceKeys()` mean the same. */
export function sluiceKeys(): SluiceKeysVerify {
  return frozen("sluiceKeys", {});
}

/** Who may send to a route. */
export type VerifyConfig =
  | "public"
  | typeof sluiceKeys
  | ApiKeyVerify
  | BasicVerify
  | GithubVerify
  | GitlabVerify
  | HmacVerify
  | ShopifyVerify
  | SlackVerify
  | SluiceKeysVerify
  | StandardWebhooksVerify
  | StripeVerify
  | TwilioVerify;

export type HeaderSource = Descriptor<"header", { readonly name: string }>;
/** The value of a header. */
export function header(name: string): HeaderSource {
  return frozen("header", { name });
}

export type QuerySource = Descriptor<"query", { readonly name: string }>;
/** The value of a query parameter. */
export function query(name: string): QuerySource {
  return frozen("query", { name });
}

export interface JsonOptions {
  /** A body without it is accepted, without a key; otherwise it is refused with 400. A time may always be missing. */
  readonly optional?: boolean;
}

export type JsonSource = Descriptor<"json", JsonOptions & { readonly pointer: string }>;
/** The text, number or boolean at a JSON Pointer (RFC 6901) into the body, as `"/id"`. */
export function json(pointer: string, options?: JsonOptions): JsonSource {
  return frozen("json", { ...options, pointer });
}

export type BodyHashSource = Descriptor<"bodyHash", object>;
/** The SHA-256 of the body, in hex. */
export function bodyHash(): BodyHashSource {
  return frozen("bodyHash", {});
}

/** Where a key comes from. */
export type SourceConfig = BodyHashSource | HeaderSource | JsonSource | QuerySource;

/** What says when a request may begin: a duration from its arrival, such as `"24h"`, or where its sender says it. */
export type TimeConfig = string | PlaceConfig;

/** Where its sender says it. */
export type PlaceConfig = HeaderSource | JsonSource | QuerySource;

export type MetaHandshake = Descriptor<"meta", { readonly verifyToken: Secrets }>;
/** Meta's `hub.challenge`, with the verify token that its dashboard was given. */
export function meta(options: { readonly verifyToken: Secrets }): MetaHandshake {
  return frozen("meta", options);
}

/** What a provider sends once to learn whether the URL is meant; it is answered and not stored. */
export type HandshakeConfig = "slack" | "microsoft-graph" | MetaHandshake;

type Descriptor<Kind extends string, Options> = Readonly<Options & { kind: Kind }>;

function frozen<Kind extends string, Options extends object>(kind: Kind, options: Options): Descriptor<Kind, Options> {
  return Object.freeze({ ...options, kind });
}
