import { createHash } from "node:crypto";
import type { Random } from "../packages/sluice/src/core/seeded-random.ts";

/** What a client sends: a key and a body, told apart by the body's hash. */
export interface Parcel {
  readonly key: string;
  readonly body: Buffer;
  readonly sha256: string;
}

export function parcelOf(key: string, body: Buffer): Parcel {
  return { key, body, sha256: sha256Of(body) };
}

/** Parcels with random bytes, one after the other. */
export function parcelSource(name: string, random: Random): () => Parcel {
  let count = 0;
  return () => {
    count += 1;
    const body = Buffer.from(Array.from({ length: random.between(1, 600) }, () => random.between(0, 255)));
    return parcelOf(`${name}-${count}`, body);
  };
}

/** Parcels of one size, which no compression makes smaller. */
export function bigParcelSource(name: string, bodyBytes: number, random: Random): () => Parcel {
  const noise = Buffer.from(Array.from({ length: bodyBytes }, () => random.between(0, 255)));
  let count = 0;
  return () => {
    count += 1;
    const body = Buffer.from(noise);
    body.write(String(count));
    return parcelOf(`${name}-${count}`, body);
  };
}

export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
