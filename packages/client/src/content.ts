/** Bytes with their type. */
export interface Content {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const encoder = new TextEncoder();

/**
 * The bytes of a body with their type: a string is `text/plain`, bytes are `application/octet-stream`,
 * a Blob has its own type, and everything else is JSON.
 */
export async function contentOf(body: unknown, contentType: string | undefined): Promise<Content> {
  if (typeof body === "string") {
    return { contentType: contentType ?? "text/plain; charset=utf-8", bytes: encoder.encode(body) };
  }
  if (body instanceof Uint8Array) {
    return { contentType: contentType ?? "application/octet-stream", bytes: new Uint8Array(body) };
  }
  if (body instanceof Blob) {
    const type = contentType ?? (body.type === "" ? "application/octet-stream" : body.type);
    return { contentType: type, bytes: new Uint8Array(await body.arrayBuffer()) };
  }
  return { contentType: contentType ?? "application/json", bytes: encoder.encode(jsonOf(body)) };
}

/** Whether a body is sent as JSON. */
export function isJsonBody(body: unknown): boolean {
  return typeof body !== "string" && !(body instanceof Uint8Array) && !(body instanceof Blob);
}

/** The JSON text of a value; throws for what JSON cannot carry, instead of sending nothing. */
export function jsonOf(value: unknown): string {
  const json: string | undefined = JSON.stringify(value);
  if (json === undefined)
    throw new TypeError(`a body must be a JSON value, text, bytes or a Blob, got ${typeof value}`);
  return json;
}

const chunkChars = 0x8000;

export function base64Of(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += chunkChars) {
    binary += String.fromCharCode(...bytes.subarray(at, at + chunkChars));
  }
  return btoa(binary);
}
