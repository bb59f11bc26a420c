import { hash } from "node:crypto";

/** The SHA-256 of a body, one character for each byte: a string takes a quarter of the time that a buffer takes. */
export type BodyHash = string & { readonly __brand: "BodyHash" };

export function bodyHashOf(body: Uint8Array): BodyHash {
  return hash("sha256", body, "binary") as BodyHash;
}

/** What a link keeps of a body's hash: enough to notice any change that nobody made on purpose. */
export const digestBytes = 16;

/** Digests, one after the other. */
export function digestsOf(hashes: readonly BodyHash[]): Buffer {
  const bytes = Buffer.allocUnsafe(hashes.length * digestBytes);
  hashes.forEach((one, index) => bytes.write(one, index * digestBytes, digestBytes, "binary"));
  return bytes;
}
