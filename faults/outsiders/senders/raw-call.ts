// A call as bytes: a sender need not be an HTTP client.
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { GivenAnswer } from "@sluice/testing";

export interface RawCall {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
  /** It comes after its head was read, and perhaps answered. */
  readonly isBodyLate: boolean;
}

/** The longest that an answer is waited for, and a stream read. */
const [patienceMs, streamMs] = [2_000, 20];
const lateMs = 3;

/** Undefined where no answer came: the call is held, or the connection was closed. */
export async function send(url: string, call: RawCall): Promise<GivenAnswer | undefined> {
  const { method, target, headers, body, isBodyLate } = call;
  const { hostname, port } = new URL(url);
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = body.length > 0 ? `content-length: ${body.length}\r\n` : "";
  const socket = connect({ host: hostname, port: Number(port) });
  const chunks: Buffer[] = [];
  const patience = setTimeout(() => socket.destroy(), patienceMs);
  socket.on("data", (chunk) => {
    chunks.push(chunk);
    if (chunk.includes("content-type: text/event-stream")) setTimeout(() => socket.destroy(), streamMs);
  });
  const { promise: closed, resolve: onClose } = Promise.withResolvers<unknown>();
  socket.on("error", () => {}); // a reset after the answer
  socket.on("close", onClose);
  socket.write(
    `${method} ${target} HTTP/1.1\r\nhost: ${hostname}:${port}\r\nconnection: close\r\n${lines}${length}\r\n`,
  );
  if (isBodyLate) await delay(lateMs);
  socket.write(body);
  await closed;
  clearTimeout(patience);
  return chunks.length === 0 ? undefined : parseAnswer(Buffer.concat(chunks));
}

/** The first answer in these bytes that is none of the interim ones. */
export function parseAnswer(bytes: Buffer): GivenAnswer {
  const headEnd = bytes.indexOf("\r\n\r\n");
  const [statusLine = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const status = Number(statusLine.split(" ", 2)[1]);
  const rest = bytes.subarray(headEnd + "\r\n\r\n".length);
  if (status < 200) return parseAnswer(rest);
  const headers = new Headers(
    lines.map((line): [string, string] => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
  const length = headers.get("content-length");
  const isChunked = headers.get("transfer-encoding") === "chunked";
  const body = isChunked ? unchunked(rest) : rest.subarray(0, length === null ? rest.length : Number(length));
  return { status, headers, body: body.toString() };
}

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (lineEnd < 0 || !(size > 0)) return Buffer.concat(parts);
    parts.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
