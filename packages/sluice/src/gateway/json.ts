// Parses JSON that callers sent.
import { isUtf8 } from "node:buffer";
import { messageOf } from "../core/errors.ts";
import { isDeeper } from "./json-member.ts";

export type ParsedJson =
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "unreadable"; readonly message: string }
  | { readonly kind: "too-deep"; readonly message: string };

/** A level costs the parser far more than other bytes do (1 MiB of brackets half a second), and no real body has so many. */
const levelsMax = 1_000;

/** Parses bytes as JSON in UTF-8. */
export function parseJson(bytes: Uint8Array): ParsedJson {
  if (!isUtf8(bytes)) return { kind: "unreadable", message: "it is not UTF-8" };
  if (isDeeper(bytes, levelsMax))
    return { kind: "too-deep", message: `it may be nested at most ${levelsMax} levels deep` };
  try {
    return {
      kind: "json",
      value: JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()),
    };
  } catch (error) {
    return { kind: "unreadable", message: messageOf(error) };
  }
}
