// Reads the bodies of POST requests, within their bounds.
import type { IncomingMessage } from "node:http";
import { SluiceError } from "../core/errors.ts";
import type { ErrorCode } from "../core/errors.ts";

/** After an early answer this much is read on, so that a reset does not overtake the answer. */
const discardBytesMax = 4 * 1024 * 1024;

export interface BodyBound {
  readonly bytesMax: number;
  /** What a longer body is answered with. */
  readonly code: Extract<ErrorCode, "body-too-large" | "batch-too-large">;
}

/** The body byte for byte. Throws as soon as it is known to be too long. */
export function readBody(raw: IncomingMessage, bound: BodyBound): Promise<Buffer> {
  if (Number(raw.headers["content-length"]) > bound.bytesMax) return Promise.reject(tooLarge(bound));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes <= bound.bytesMax) {
        chunks.push(chunk);
        return;
      }
      raw.off("data", onData);
      reject(tooLarge(bound));
    };
    raw.on("data", onData);
    raw.on("end", () => {
      if (chunks.length === 1) return resolve(chunks[0] as Buffer);
      const body = Buffer.concat(chunks, bytes);
      for (const chunk of chunks) release(chunk);
      resolve(body);
    });
    raw.on("error", () => reject(new SluiceError("bad-request", "the connection broke before the body was complete")));
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

/** Reads a body that nobody wants off the connection; hangs up on one that does not end. */
export function discardBody(raw: IncomingMessage): void {
  if (raw.complete) return;
  let left = discardBytesMax;
  raw.on("data", (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) raw.destroy();
  });
  raw.resume();
}

function tooLarge({ bytesMax, code }: BodyBound): SluiceError {
  const what = code === "body-too-large" ? "a body" : "a batch";
  return new SluiceError(code, `${what} may have up to ${bytesMax} bytes`);
}
