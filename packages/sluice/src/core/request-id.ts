// A request's id is a UUIDv7 whose 12 bits after the version count the ids of one millisecond
// (RFC 9562, section 6.2, method 1). Time and counter together make the request's sequence number:
// unique, growing, and exact in a JavaScript number until the year 2095. So the store finds a row
// by arithmetic, without an index on ids; the other 62 bits are random and keep ids unguessable.

export type RequestId = string & { readonly __brand: "RequestId" };

/** 2026-01-01T00:00:00Z: sequence numbers count from here. */
const epochMs = 1_767_225_600_000;
const idsPerMs = 4096;
const seqMax = Number.MAX_SAFE_INTEGER;
/** Whatever the clock shows: above it there is room for half a year of requests whose numbers can still be read back. */
const clockSeqMax = seqMax - 2 ** 46;
const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Reads an id as people send it; undefined when it is none of ours. */
export function parseRequestId(text: string): RequestId | undefined {
  const lower = text.toLowerCase();
  if (!pattern.test(lower)) return undefined;
  const seq = seqOf(lower as RequestId);
  return seq >= 0 && seq <= seqMax ? (lower as RequestId) : undefined;
}

/** The sequence number of an id: grows with the time of acceptance. */
export function seqOf(id: RequestId): number {
  const timeMs = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  return (timeMs - epochMs) * idsPerMs + Number.parseInt(id.slice(15, 18), 16);
}

/** The lowest sequence number a request accepted at this time can have. */
export function firstSeqAt(timeMs: number): number {
  return Math.min(clockSeqMax, Math.max(0, (Math.floor(timeMs) - epochMs) * idsPerMs));
}

/** The time of acceptance that a sequence number carries. */
export function timeOfSeq(seq: number): number {
  return Math.floor(seq / idsPerMs) + epochMs;
}

/** The id of a sequence number and its eight random bytes (the top two bits are the variant). */
export function requestIdOf(seq: number, random: Uint8Array): RequestId {
  const [first = 0, second = 0] = random;
  const counter = hexOf(((seq % idsPerMs) >> 8) | 0x70) + hexOf(seq % 256);
  const variant = hexOf((first & 0x3f) | 0x80) + hexOf(second);
  let rest = "";
  for (let index = 2; index < 8; index += 1) rest += hexOf(random[index] ?? 0);
  return `${timeText(timeOfSeq(seq))}-${counter}-${variant}-${rest}` as RequestId;
}

const hexes = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function hexOf(byte: number): string {
  return hexes[byte] as string;
}

/** Many ids are of one millisecond. */
let textOfTime = { timeMs: -1, text: "" };

function timeText(timeMs: number): string {
  if (timeMs === textOfTime.timeMs) return textOfTime.text;
  const hex = timeMs.toString(16).padStart(12, "0");
  const text = `${hex.slice(0, 8)}-${hex.slice(8)}`;
  textOfTime = { timeMs, text };
  return text;
}

/** The time of acceptance that an id carries, in milliseconds since 1970. */
export function timeOfId(id: RequestId): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

export const idBytes = 16;

/** Ids in their binary form, one after the other. */
export function bytesOfIds(ids: readonly RequestId[]): Buffer {
  const bytes = Buffer.allocUnsafe(ids.length * idBytes);
  ids.forEach((id, index) => writeId(bytes, id, index * idBytes));
  return bytes;
}

/** Ids from their binary form. */
export function idsOfBytes(bytes: Uint8Array): readonly RequestId[] {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
  return Array.from({ length: Math.floor(bytes.byteLength / idBytes) }, (_, index) => {
    const id = hex.slice(index * 32, index * 32 + 32);
    return `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}` as RequestId;
  });
}

/** The sequence number of the id whose sixteen bytes begin at `at`. */
export function seqOfBytes(bytes: Uint8Array, at: number): number {
  const byte = (index: number): number => bytes[at + index] ?? 0;
  const timeMs =
    ((byte(0) << 8) | byte(1)) * 2 ** 32 + byte(2) * 2 ** 24 + ((byte(3) << 16) | (byte(4) << 8) | byte(5));
  return (timeMs - epochMs) * idsPerMs + (((byte(6) & 0x0f) << 8) | byte(7));
}

/** Writes the sixteen bytes of an id, and gives back where they end. */
export function writeId(bytes: Uint8Array, id: RequestId, at: number): number {
  let place = at;
  for (let index = 0; index < id.length; index += 2) {
    if (id.charCodeAt(index) === dash) index += 1;
    bytes[place] = (digitOf(id.charCodeAt(index)) << 4) | digitOf(id.charCodeAt(index + 1));
    place += 1;
  }
  return place;
}

const dash = 45;

function digitOf(code: number): number {
  return code < 58 ? code - 48 : code - 87; // "0" is 48, "a" is 97
}

/** Hands out sequence numbers that only grow, even when the clock steps back. */
export class SeqSource {
  #last: number;

  constructor(last: number) {
    this.#last = last;
  }

  get last(): number {
    return this.#last;
  }

  /** From now on only what is above it. */
  skipTo(seq: number): void {
    this.#last = Math.max(this.#last, seq);
  }

  next(nowMs: number): number {
    this.#last = Math.max(this.#last + 1, firstSeqAt(nowMs));
    return this.#last;
  }
}
