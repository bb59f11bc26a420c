// Undoes the codings of a response's body (RFC 9110, section 8.4). Sluice asks for none of them; some targets use one regardless.
import { promisify } from "node:util";
import {
  brotliDecompress,
  constants,
  gunzip,
  inflate,
  inflateRaw,
  zstdDecompress,
  type BrotliOptions,
  type ZlibOptions,
  type ZstdOptions,
} from "node:zlib";

export type Decoded =
  | { readonly kind: "decoded"; readonly bytes: Uint8Array }
  /** A coding that nobody knows here: the bytes are as they came. */
  | { readonly kind: "unknown"; readonly coding: string }
  | { readonly kind: "too-large" }
  | { readonly kind: "damaged"; readonly coding: string; readonly message: string };

export interface DecodeOptions {
  readonly bytesMax: number;
  /** The end of the body is missing: what there is of it is decoded. */
  readonly isCut?: boolean;
}

type Decode = (bytes: Uint8Array, options: DecodeOptions) => Promise<Uint8Array>;

const codingsMax = 5;
const gzip = withZlib(promisify<Uint8Array, ZlibOptions, Buffer>(gunzip));
const zlib = withZlib(promisify<Uint8Array, ZlibOptions, Buffer>(inflate));
const rawDeflate = withZlib(promisify<Uint8Array, ZlibOptions, Buffer>(inflateRaw));
const brotli = promisify<Uint8Array, BrotliOptions, Buffer>(brotliDecompress);
const zstd = promisify<Uint8Array, ZstdOptions, Buffer>(zstdDecompress);

const decoders: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ["gzip", gzip],
  ["x-gzip", gzip],
  // Many servers send it without the frame that the RFC asks for.
  ["deflate", (bytes, options) => ((bytes[0] ?? 0) % 16 === 8 ? zlib(bytes, options) : rawDeflate(bytes, options))],
  [
    "br",
    (bytes, { bytesMax, isCut }) =>
      brotli(bytes, { maxOutputLength: bytesMax, ...(isCut && { finishFlush: constants.BROTLI_OPERATION_FLUSH }) }),
  ],
  [
    "zstd",
    (bytes, { bytesMax, isCut }) =>
      zstd(bytes, { maxOutputLength: bytesMax, ...(isCut && { finishFlush: constants.ZSTD_e_flush }) }),
  ],
]);

/** The codings that a header names, in the order in which they were applied. */
export function codingsOf(header: string | readonly string[]): readonly string[] {
  const names = (typeof header === "string" ? header : header.join(",")).split(",");
  return names.map((name) => name.trim().toLowerCase()).filter((name) => name !== "" && name !== "identity");
}

export async function decodeContent(
  bytes: Uint8Array,
  codings: readonly string[],
  options: DecodeOptions,
): Promise<Decoded> {
  const unknown = codings.length > codingsMax ? codings.join(", ") : codings.find((name) => !decoders.has(name));
  if (unknown !== undefined) return { kind: "unknown", coding: unknown };
  let decoded = bytes;
  for (const coding of codings.toReversed()) {
    if (decoded.byteLength === 0) break;
    try {
      const decode = decoders.get(coding) as Decode;
      decoded = await decode(decoded, { ...options, bytesMax: Math.max(1, options.bytesMax) });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return code === "ERR_BUFFER_TOO_LARGE" ? { kind: "too-large" } : { kind: "damaged", coding, message };
    }
  }
  return decoded.byteLength > options.bytesMax ? { kind: "too-large" } : { kind: "decoded", bytes: decoded };
}

function withZlib(decode: (bytes: Uint8Array, options: ZlibOptions) => Promise<Buffer>): Decode {
  return (bytes, { bytesMax, isCut }) =>
    decode(bytes, { maxOutputLength: bytesMax, ...(isCut && { finishFlush: constants.Z_SYNC_FLUSH }) });
}
