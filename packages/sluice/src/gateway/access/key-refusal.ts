// Why a call is not let in, by the key that it shows: the error, and what RFC 6750 has beside it.
import type { Scope } from "../../core/api-key.ts";
import { SluiceError } from "../../core/errors.ts";
import type { Shown } from "./key-ring.ts";

export interface KeyRefusal {
  readonly error: SluiceError;
  /** Of the header WWW-Authenticate; undefined where another key would not help. */
  readonly challenge: string | undefined;
}

const realm = 'Bearer realm="sluice"';

/** Undefined where the call may go on. Without a scope any key will do. */
export function keyRefusal(shown: Shown, scope: Scope | undefined): KeyRefusal | undefined {
  switch (shown.kind) {
    case "open":
      return undefined;
    case "unreadable":
      return { error: new SluiceError("keys-unreadable", shown.problem.message), challenge: undefined };
    case "none": {
      const message = "an API key is needed: send it as Authorization: Bearer KEY";
      return { error: new SluiceError("unauthorized", message), challenge: realm };
    }
    case "refused":
      return {
        error: new SluiceError("unauthorized", shown.reason),
        challenge: `${realm}, error="invalid_token"`,
      };
    case "key": {
      const { scopes } = shown.grant;
      if (scope === undefined || scopes.has(scope)) return undefined;
      const message = `this needs the scope ${scope}; the key has ${[...scopes].join(", ")}`;
      const challenge = `${realm}, error="insufficient_scope", scope="${scope}"`;
      return { error: new SluiceError("forbidden", message), challenge };
    }
    default:
      return shown satisfies never;
  }
}
