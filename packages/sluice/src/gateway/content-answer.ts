// Answers with bytes that users chose.
import type { OutgoingHttpHeaders } from "node:http";
import type { FastifyReply } from "fastify";
import type { Result } from "../core/request.ts";
import type { ResponseHead } from "../core/stored-head.ts";
import { isAboutContent } from "../outbound/target.ts";
import { isHeaderValue } from "../core/header-names.ts";
import type { GatewayContext } from "./context.ts";
import { sendPieces } from "./outgoing-answer.ts";
import type { OutgoingPlace } from "./outgoing.ts";

export interface StoredContent {
  readonly byteCount: number;
  readonly read: () => Promise<Result | undefined>;
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
function sendContent(reply: FastifyReply, { contentType, bytes, ...head }: Result, place: OutgoingPlace): void {
  reply.hijack();
  reply.raw.writeHead(200, {
    ...headersOf(head),
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    "content-type": headerSafe(contentType),
    "content-length": bytes.byteLength,
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
  });
  sendPieces(reply.raw, bytes, place);
}

/** What was kept of a target's response, without what would speak for this origin instead of the target's. */
function headersOf({ status, headers = {} }: ResponseHead): OutgoingHttpHeaders {
  const kept: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers))
    if (isAboutContent(name) && !ofTheOrigin.test(name) && isSendable(value)) kept[name] = value as string | string[];
  if (status !== undefined) kept["sluice-target-status"] = status;
  return kept;
}

const ofTheOrigin =
  /^(?:set-cookie|cache-control|refresh|clear-site-data|service-worker-allowed|strict-transport-security|x-content-type-options|x-frame-options|www-authenticate|content-security-policy.*|access-control-.*|cross-origin-.*|sluice-.*)$/;

export function isSendable(value: string | readonly string[]): boolean {
  return [value].flat().every((text) => isHeaderValue(text));
}

/** A handler may have named a type that cannot stand in a header. */
export function headerSafe(contentType: string): string {
  return contentType !== "" && isHeaderValue(contentType) ? contentType : "application/octet-stream";
}
