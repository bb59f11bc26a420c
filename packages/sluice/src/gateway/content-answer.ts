// Answers with bytes that users chose.
import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyReply } from "fastify";
import type { Content } from "../core/request.ts";
import type { GatewayContext } from "./context.ts";
import { sendPieces } from "./outgoing-answer.ts";
import type { OutgoingPlace } from "./outgoing.ts";

export interface StoredContent {
  readonly byteCount: number;
  readonly read: () => Promise<Content | undefined>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends bytes from the store, which are read once there is room for them. False when the store has them no more. */
export async function sendStored(
  { outgoing }: GatewayContext,
  reply: FastifyReply,
  { byteCount, read, headers = {} }: StoredContent,
): Promise<boolean> {
  using place = new DisposableStack();
  const taken = place.use(await outgoing.enter(reply.raw, byteCount));
  const content = await read();
  if (content === undefined) return false;
  reply.headers(headers);
  sendContent(reply, content, taken);
  place.move(); // it ends with the answer
  return true;
}

/**
 * Sends the bytes under the type they came with, past Fastify, which would replace a malformed one. No browser
 * may guess another type for them, or run them with the rights of this origin.
 */
function sendContent(reply: FastifyReply, { contentType, bytes }: Content, place: OutgoingPlace): void {
  reply.hijack();
  reply.raw.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    "content-type": headerSafe(contentType),
    "content-length": bytes.byteLength,
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
  });
  sendPieces(reply.raw, bytes, place);
}

/** A handler may have named a type that cannot stand in a header. */
function headerSafe(contentType: string): string {
  return /^[\t\x20-\x7e\x80-\xff]+$/.test(contentType) ? contentType : "application/octet-stream";
}
