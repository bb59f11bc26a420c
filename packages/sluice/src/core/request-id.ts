// A request's id is a UUIDv7 whose 12 bits after the version count the ids of one millisecond
// (RFC 9562, section 6.2, method 1). Time and counter together make the request's sequence number:
// unique, growing, and exact in a JavaScript number until the year 2095. So the store finds a row
// by arithmetic, without an index on ids; the other 62 bits are random and keep ids unguessable.

export type RequestId = string & { readonly __brand: "RequestId" };

/** 2026-01-01T00:00:00Z: sequence numbers count from here. */
const epochMs = 1_767_225_600_000;
const idsPerMs = 4096;
const seqMax = Number.MAX_SAFE_INTEGER;
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
  return Math.max(0, (Math.floor(timeMs) - epochMs) * idsPerMs);
}

/** The time of acceptance that a sequence number carries. */
export function timeOfSeq(seq: number): number {
  return Math.floor(seq / idsPerMs) + epochMs;
}

/** The id of a sequence number and its eight random bytes (the top two bits are the variant). */
export function requestIdOf(seq: number, random: Uint8Array): RequestId {
  const time = timeOfSeq(seq).toString(16).padStart(12, "0");
  const counter = (seq % idsPerMs).toString(16).padStart(3, "0");
  const hex = Buffer.from(random.buffer, random.byteOffset, 8).toString("hex");
  const variant = (0x8 | (Number.parseInt(hex[0] as string, 16) & 0x3)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${variant}${hex.slice(1, 4)}-${hex.slice(4)}` as RequestId;
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
