// Answers with bytes that users chose.
import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyReply } from "fastify";
import type { Content } from "../core/request.ts";

/**
 * Sends the bytes under the type they came with, past Fastify, which would replace a malformed one. No browser
 * may guess another type for them, or run them with the rights of this origin.
 */
export function sendContent(reply: FastifyReply, { contentType, bytes }: Content): void {
  reply.hijack();
  reply.raw.writeHead(200, {
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    "content-type": headerSafe(contentType),
    "content-length": bytes.byteLength,
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
  });
  reply.raw.end(bytes);
}

/** A handler may have named a type that cannot stand in a header. */
function headerSafe(contentType: string): string {
  return /^[\t\x20-\x7e\x80-\xff]+$/.test(contentType) ? contentType : "application/octet-stream";
}
