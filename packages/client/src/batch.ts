// Cuts a stream of items into batches, by count and by bytes, and encodes each as NDJSON.
import { contentOf, jsonOf, rawContentOf } from "./content.ts";
import type { KeyedItem } from "./errors.ts";
import { placementMembers, type Placement } from "./placement.ts";

/** A request for `submitMany`. Without a key it gets a generated one. */
export interface SubmitItem extends Placement {
  readonly key?: string | undefined;
  /** A JSON value, or text, bytes, a Blob or URLSearchParams that are sent as they are. */
  readonly body: unknown;
  readonly contentType?: string | undefined;
  /** The URL that is told of the outcome; the queue's own unless given. */
  readonly callback?: string | undefined;
}

/** A line that is in the batch format already, and holds this key. It is sent as it is. */
export interface EncodedItem {
  readonly key: string;
  readonly line: string;
}

export interface Batch<Item> {
  readonly ndjson: string;
  readonly items: readonly KeyedItem<Item>[];
}

export interface BatchBounds {
  readonly sizeMax: number;
  readonly bytesMax: number;
}

type Source<Item> = AsyncIterable<Item> | Iterable<Item>;

/** A line over the bound in bytes is a batch of its own: the server decides on it. */
export async function* batchesOf<Item extends SubmitItem | EncodedItem>(
  source: Source<Item>,
  { sizeMax, bytesMax }: BatchBounds,
): AsyncGenerator<Batch<Item>, void, undefined> {
  let lines: string[] = [];
  let items: KeyedItem<Item>[] = [];
  let bytes = 0;
  for await (const item of source) {
    const key = item.key ?? crypto.randomUUID();
    const line = await lineOf(item, key);
    const lineBytes = utf8Bytes(line) + 1;
    if (items.length >= sizeMax || (items.length > 0 && bytes + lineBytes > bytesMax)) {
      yield { ndjson: lines.join("\n"), items };
      [lines, items, bytes] = [[], [], 0];
    }
    lines.push(line);
    items.push({ key, item });
    bytes += lineBytes;
  }
  if (items.length > 0) yield { ndjson: lines.join("\n"), items };
}

async function lineOf(item: SubmitItem | EncodedItem, key: string): Promise<string> {
  if ("line" in item) return item.line;
  const { body, contentType, callback } = item;
  const asked = { key, callback, ...placementMembers(item) };
  const raw = rawContentOf(body);
  if (raw === undefined && contentType === undefined) {
    return `${JSON.stringify(asked).slice(0, -1)},"body":${jsonOf(body)}}`;
  }
  const content = await (raw ?? contentOf(body));
  return JSON.stringify({
    ...asked,
    bodyBase64: base64Of(content.bytes),
    contentType: contentType ?? content.contentType,
  });
}

const chunkChars = 0x8000;

function base64Of(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += chunkChars) {
    binary += String.fromCharCode(...bytes.subarray(at, at + chunkChars));
  }
  return btoa(binary);
}

const encoder = new TextEncoder();

function utf8Bytes(text: string): number {
  return encoder.encode(text).length;
}
