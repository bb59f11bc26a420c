// Answers that are in memory, a piece at a time: a client that reads slowly holds up nobody, and its progress is seen.
import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { App } from "./context.ts";
import type { Outgoing, OutgoingPlace } from "./outgoing.ts";

const pieceBytes = 64 * 1024;
/** What is no larger fits the buffers of its connection, and needs no place. */
const uncountedBytesMax = 4 * 1024;

/** Every answer that Fastify sends, by whatever route: those of intake and of stored bytes go past it. */
export function boundAnswers(app: App, outgoing: Outgoing): void {
  app.addHook("onSend", ({ method }, reply, payload, done) => {
    const isWhole = typeof payload === "string" || Buffer.isBuffer(payload);
    if (!isWhole || payload.length <= uncountedBytesMax || method === "HEAD") return done(null, payload);
    const bytes = Buffer.from(payload as string);
    try {
      const place = outgoing.take(reply.raw, bytes.byteLength);
      reply.header("content-length", bytes.byteLength);
      done(null, Readable.from(piecesOf(bytes, place), { objectMode: false }));
    } catch (error) {
      done(error as Error);
    }
  });
}

/** Sends what is left of an answer whose head is written. */
export function sendPieces(response: ServerResponse, bytes: Uint8Array, place: OutgoingPlace): void {
  const pieces = piecesOf(bytes, place);
  const sendNext = (error?: Error | null): void => {
    if (error) return; // the connection is gone, and the place with it
    const { value: piece, done } = pieces.next();
    if (done) response.end();
    else response.write(piece, sendNext);
  };
  sendNext();
}

function* piecesOf(bytes: Uint8Array, place: OutgoingPlace): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) {
    place.progress();
    yield bytes.subarray(at, at + pieceBytes);
  }
  place.progress();
}
