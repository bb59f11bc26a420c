// What the day's client sends: a request for each number, told by the seed alone, so that nobody has to keep two
// million of them.
import { hash } from "node:crypto";
import { seededRandom } from "../../packages/sluice/src/core/seeded-random.ts";

export interface Parcels {
  readonly total: number;
  body(number: number): string;
  /** SHA-256 of the body, in hexadecimal. */
  hashOf(number: number): string;
}

const keyPrefix = "day-";
const noteLengthMax = 400;
const letters = "abcdefghijklmnopqrstuvwxyz 0123456789";

export function dayParcels(seed: number, total: number): Parcels {
  const random = seededRandom(seed, "notes");
  const notes = Array.from({ length: 4 * noteLengthMax }, () => letters[random.between(0, letters.length - 1)]).join(
    "",
  );
  const body = (number: number): string => {
    const mixed = mix(number ^ seed);
    const start = mixed % (3 * noteLengthMax);
    const note = notes.slice(start, start + ((mixed >>> 12) % noteLengthMax));
    return `{"order":${number},"sku":${mixed % 100_000},"note":"${note}"}`;
  };
  return { total, body, hashOf: (number) => hash("sha256", body(number), "hex") };
}

export function keyOf(number: number): string {
  return `${keyPrefix}${number}`;
}

/** Undefined for a key that is none of the day's. */
export function numberOf(key: string | null): number | undefined {
  const digits = key?.startsWith(keyPrefix) === true ? key.slice(keyPrefix.length) : "";
  return /^(?:0|[1-9]\d*)$/.test(digits) ? Number(digits) : undefined;
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
