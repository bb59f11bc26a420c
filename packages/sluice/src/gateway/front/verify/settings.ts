// How a route recognises its sender, once the configuration is read. Secrets are key objects and digests: what prints or
// serialises them shows nothing.
import type { KeyObject } from "node:crypto";

export type VerifySettings = { readonly kind: "public" } | { readonly kind: "sluiceKeys" } | ProofSettings;

/** What the call itself proves, with a secret of the route. */
export type ProofSettings =
  | ApiKeySettings
  | BasicSettings
  | GitlabSettings
  | HmacSettings
  | StandardWebhooksSettings
  | StripeSettings
  | TwilioSettings;

interface Secrets {
  /** Any of them will do. */
  readonly secrets: readonly KeyObject[];
}

interface Timed {
  /** In both directions. */
  readonly toleranceSeconds: number;
}

/** One signature in one header, over what a template says. */
export interface HmacSettings extends Secrets {
  readonly kind: "github" | "shopify" | "slack" | "hmac";
  /** In lower case, as all names of headers here. */
  readonly header: string;
  readonly prefix: string;
  readonly algorithm: "sha1" | "sha256" | "sha512";
  readonly encoding: "hex" | "base64";
  readonly signed: readonly SignedPart[];
  /** If set, the one header among the parts is the time. */
  readonly toleranceSeconds: number | undefined;
}

export type SignedPart =
  | { readonly kind: "body" | "method" | "path" | "url" }
  | { readonly kind: "header"; readonly name: string }
  | { readonly kind: "text"; readonly text: string };

export interface StripeSettings extends Secrets, Timed {
  readonly kind: "stripe";
}

export interface StandardWebhooksSettings extends Secrets, Timed {
  readonly kind: "standardWebhooks";
}

export interface GitlabSettings {
  readonly kind: "gitlab";
  /** SHA-256 of each secret token. */
  readonly tokens: readonly Uint8Array[];
  /** Signing tokens; undefined if there are none. */
  readonly signing: StandardWebhooksSettings | undefined;
}

export interface TwilioSettings extends Secrets {
  readonly kind: "twilio";
}

export interface BasicSettings {
  readonly kind: "basic";
  readonly users: readonly {
    readonly username: string;
    /** SHA-256 of `username:password`, for each password. */
    readonly digests: readonly Uint8Array[];
  }[];
}

export interface ApiKeySettings {
  readonly kind: "apiKey";
  readonly in: "header" | "query";
  readonly name: string;
  /** SHA-256 of each key. */
  readonly digests: readonly Uint8Array[];
}
