// Which handshake a route answers, from whatever a user wrote.
import { hash } from "node:crypto";
import type { HandshakeSettings } from "../gateway/front/handshake.ts";
import type { VerifySettings } from "../gateway/front/verify/settings.ts";
import { bad, guarded, readDescriptor } from "./read-descriptor.ts";
import { readSecrets } from "./read-secrets.ts";
import { assertObject } from "./read-value.ts";
import type { Environment } from "./secret.ts";

export interface HandshakeContext {
  readonly env: Environment;
  readonly verify: VerifySettings | undefined;
}

/** Slack's where Slack is verified, unless something else is given. Errors: `bad-config`. */
export function readHandshake(
  place: string,
  value: unknown,
  { env, verify }: HandshakeContext,
): HandshakeSettings | undefined {
  if (value === undefined) return verify?.kind === "slack" ? { kind: "slack" } : undefined;
  if (value === "slack" || value === "microsoft-graph") return { kind: value };
  return guarded(place, () => {
    const descriptor = readDescriptor(value);
    if (descriptor?.kind !== "meta") throw bad(`${place} must be "slack", "microsoft-graph" or meta({ verifyToken })`);
    const { fields } = descriptor;
    assertObject(place, fields, ["verifyToken"]);
    const tokens = readSecrets(`${place}.verifyToken`, fields["verifyToken"], env);
    return { kind: "meta", tokens: tokens.map((token) => hash("sha256", token, "buffer")) };
  });
}
