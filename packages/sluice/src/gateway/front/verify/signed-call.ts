// A call as its sender signed it, and what its proof is worth.
import type { IncomingHttpHeaders } from "node:http";

export interface SignedCall {
  readonly method: string;
  /** With its query, as it was sent. */
  readonly path: string;
  /** Scheme, host, path and query as the sender saw them. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
  readonly nowMs: number;
}

/** For the log and a metric; the sender learns none of it. */
export const refusalReasons = ["missing", "malformed", "mismatch", "expired"] as const;
export type RefusalReason = (typeof refusalReasons)[number];

export interface Refused {
  readonly kind: "refused";
  readonly reason: RefusalReason;
}

export type Verified = { readonly kind: "verified"; readonly sender?: string } | Refused;

export interface Verifier {
  verify(call: SignedCall): Verified;
}

export const verified: Verified = { kind: "verified" };

export function refused(reason: RefusalReason): Refused {
  return { kind: "refused", reason };
}

/**
 * Undefined where it is missing or empty. Repeated headers arrive as one, joined with commas: no signature has a comma, and a
 * signed header that was joined is not what was signed.
 */
export function headerOf({ headers }: Pick<SignedCall, "headers">, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Each value of a query parameter, decoded as forms are. */
export function queryValues(path: string, name: string): readonly string[] {
  const at = path.indexOf("?");
  return at === -1 ? [] : new URLSearchParams(path.slice(at + 1)).getAll(name);
}
