// What a handler returned or reported, as it is kept. Anything can be returned: what cannot be kept throws, and says why.
import { messageOf } from "../core/errors.ts";
import { isMediaType, mediaTypeLengthMax } from "../core/media-type.ts";
import type { Content } from "../core/request.ts";
import { messageBytesMax } from "../core/stored-text.ts";
import { contentOf, rawContentOf } from "./content.ts";

export async function resultOf(returned: unknown): Promise<Content> {
  const { contentType, bytes } = await contentOfReturned(returned);
  if (typeof contentType === "string" && isMediaType(contentType)) return { contentType, bytes };
  const got = messageOf(contentType).slice(0, 100);
  const rule = `a media type such as text/html, of at most ${mediaTypeLengthMax} characters`;
  throw new TypeError(`the content type of a result is ${rule}, got "${got}"`);
}

function contentOfReturned(returned: unknown): Content | Promise<Content> {
  if (returned === undefined) return contentOf(null);
  if (typeof returned !== "object" || returned === null) return contentOf(returned);
  const { body, contentType } = returned as { readonly body?: unknown; readonly contentType?: unknown };
  const raw = typeof contentType === "string" ? rawContentOf(body) : undefined;
  return raw === undefined ? contentOf(returned) : typed(raw, contentType as string);
}

async function typed(raw: Content | Promise<Content>, contentType: string): Promise<Content> {
  return { contentType, bytes: (await raw).bytes };
}

/** How far a handler got, as plain JSON; a value that has none, or too much, is shown as a sentence. */
export function progressOf(reported: unknown): unknown {
  try {
    const json: string = JSON.stringify(reported) ?? "null";
    if (json.length <= messageBytesMax) return JSON.parse(json);
    return `a report of progress may have ${messageBytesMax} characters of JSON, this one has ${json.length}`;
  } catch (error) {
    return `the reported progress cannot be written as JSON: ${messageOf(error)}`;
  }
}
