// Where the next page of a list begins: opaque to clients, the id of the last request inside.
import { parseRequestId } from "../core/request-id.ts";
import type { RequestId } from "../core/request-id.ts";

export function formatCursor(last: RequestId): string {
  return Buffer.from(last.replaceAll("-", ""), "hex").toString("base64url");
}

/** Undefined when it is none of ours. */
export function parseCursor(cursor: string): RequestId | undefined {
  const bytes = Buffer.from(cursor, "base64url");
  if (bytes.length !== 16 || bytes.toString("base64url") !== cursor) return undefined;
  return parseRequestId(bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"));
}
