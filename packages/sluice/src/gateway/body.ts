// Reads the bodies of POST requests, within their bounds.
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { SluiceError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";
import type { BodyPlace, BodyRoom } from "./body-room.ts";

/** After an early answer this much is read on, so that a reset does not overtake the answer. */
const discardBytesMax = 4 * 1024 * 1024;
/** For whoever sends on all the same: the connection is read no further, and this long it has to read the answer. */
const lingerMs = 5_000;

export interface BodyBound {
  readonly bytesMax: number;
  /** What a longer body is answered with. */
  readonly code: Extract<ErrorCode, "body-too-large" | "batch-too-large">;
}

/** Content codings that bodies may have: a body is stored as it came, and would be read as it was not meant. */
export const acceptedCoding = "identity";

/** Throws `encoding-not-accepted`. */
export function checkCoding({ "content-encoding": coding }: IncomingHttpHeaders): void {
  if (!coding || coding.toLowerCase() === acceptedCoding) return;
  const shown = JSON.stringify(coding.slice(0, 80));
  throw new SluiceError("encoding-not-accepted", `a body comes without a content-encoding, got ${shown}`);
}

/** As `readBody`, with a place in the room while it arrives: from then on the engine's bounds hold. */
export async function readIn(room: BodyRoom, raw: IncomingMessage, bound: BodyBound): Promise<Buffer> {
  using place = room.enter();
  return await readBody(raw, bound, place);
}

/** The body byte for byte. Throws as soon as it is known to be too long, or when it has to give up its place. */
export async function readBody(raw: IncomingMessage, bound: BodyBound, place: BodyPlace): Promise<Buffer> {
  const body = await wholeBody(raw, bound, place);
  place.assertStays(); // other bodies may have come between its last byte and this
  return body;
}

function wholeBody(raw: IncomingMessage, bound: BodyBound, place: BodyPlace): Promise<Buffer> {
  if (Number(raw.headers["content-length"]) > bound.bytesMax) return Promise.reject(tooLarge(bound));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > bound.bytesMax) return stop(tooLarge(bound));
      chunks.push(chunk);
      place.take(chunk.length);
    };
    const onEnd = (): void => {
      const pieces = chunks.splice(0);
      place.onGiveWay = undefined; // the caller has the bytes from here on
      if (pieces.length === 1) return resolve(pieces[0] as Buffer);
      const body = Buffer.concat(pieces, bytes);
      for (const piece of pieces) release(piece);
      resolve(body);
    };
    const stop = (error: SluiceError): void => {
      raw.off("data", onData);
      raw.off("end", onEnd);
      for (const chunk of chunks.splice(0)) release(chunk);
      reject(error);
    };
    place.onGiveWay = stop;
    raw.on("data", onData);
    raw.on("end", onEnd);
    raw.on("error", () => stop(new SluiceError("bad-request", "the connection broke before the body was complete")));
  });
}

/**
 * Gives up the memory of bytes that nobody will read again. The garbage collector would: but it sees only the small
 * object in front of the bytes, and lets tens of megabytes pile up behind such objects before it looks.
 */
export function release(bytes: Buffer): void {
  const { buffer } = bytes;
  const isWhole = buffer.byteLength === bytes.byteLength; // not a part of a pool that others share
  if (isWhole && buffer instanceof ArrayBuffer) buffer.transfer(0);
}

const discarded = new WeakSet<IncomingMessage>();

/** Reads a body that nobody wants off the connection; hangs up on one that does not end. */
export function discardBody(raw: IncomingMessage): void {
  if (raw.complete || discarded.has(raw)) return; // twice would be to release each piece twice, which throws
  discarded.add(raw);
  let left = discardBytesMax;
  const onData = (chunk: Buffer): void => {
    left -= chunk.length;
    release(chunk);
    if (left >= 0) return;
    raw.off("data", onData);
    raw.pause();
    const hangUp = setTimeout(() => raw.destroy(), lingerMs);
    raw.once("close", () => clearTimeout(hangUp));
  };
  raw.on("data", onData);
  raw.resume();
}

function tooLarge({ bytesMax, code }: BodyBound): SluiceError {
  const what = code === "body-too-large" ? "a body" : "a batch";
  return new SluiceError(code, `${what} may have up to ${bytesMax} bytes`);
}
