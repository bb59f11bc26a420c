// What is kept of a value that a program hands over: a body to submit, or a handler's result. The client and the server each
// have this file, since neither may import the other; a test keeps the two the same.

/** Bytes with their type. */
export interface Content {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Text, bytes, a Blob and URLSearchParams are kept as they are, everything else as JSON. Throws a TypeError for a value that
 * JSON would lose. The bytes are a copy, so that what the program does with its own later changes nothing.
 */
export function contentOf(value: unknown): Content | Promise<Content> {
  return rawContentOf(value) ?? { contentType: "application/json", bytes: encoder.encode(jsonOf(value)) };
}

/** Undefined for a value that is kept as JSON. */
export function rawContentOf(value: unknown): Content | Promise<Content> | undefined {
  if (typeof value === "string") return { contentType: "text/plain; charset=utf-8", bytes: encoder.encode(value) };
  if (typeof value !== "object" || value === null) return undefined;
  if (ArrayBuffer.isView(value)) return octets(bytesOfView(value));
  switch (tagOf(value)) {
    case "ArrayBuffer":
    case "SharedArrayBuffer":
      return octets(bytesOfView(new DataView(value as ArrayBuffer))); // which throws for what only has the tag
    case "Blob":
    case "File":
      return contentOfBlob(value as Blob);
    case "URLSearchParams":
      return { contentType: formType, bytes: encoder.encode(URLSearchParams.prototype.toString.call(value)) };
    default:
      return undefined;
  }
}

const encoder = new TextEncoder();
const octetType = "application/octet-stream";
const formType = "application/x-www-form-urlencoded;charset=UTF-8";

/** Throws when they are gone, with a buffer that was moved elsewhere or shrunk. */
function bytesOfView(view: ArrayBufferView): Uint8Array {
  if (!(view instanceof DataView)) Uint8Array.prototype.at.call(view, 0); // which looks, where the lengths would be 0
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function octets(bytes: Uint8Array): Content {
  return { contentType: octetType, bytes: new Uint8Array(bytes) };
}

async function contentOfBlob(blob: Blob): Promise<Content> {
  const bytes = new Uint8Array(await Blob.prototype.arrayBuffer.call(blob));
  return { contentType: blob.type === "" ? octetType : blob.type, bytes };
}

/** The JSON text of a value; throws for what JSON would leave out or write as `{}`, instead of losing it. */
export function jsonOf(value: unknown): string {
  let json: string | undefined;
  let lost: string | undefined;
  try {
    lost = lostWhole(value);
    if (lost === undefined) json = JSON.stringify(value);
    // Most values hold no such text, and are looked through no second time.
    if (json?.includes("{}")) lost = lostIn(value);
    if (json !== undefined) lost ??= lostHolder(value, "");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TypeError(`the value cannot be written as JSON: ${why}`, { cause });
  }
  if (json === undefined || lost !== undefined)
    throw new TypeError(
      `JSON would lose ${lost ?? `a value of type ${typeof value}`}: convert it to text, bytes or plain values`,
    );
  return json;
}

/** What JSON would keep members of, and nothing that matters. */
function lostWhole(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (typeof (value as { readonly pipe?: unknown }).pipe === "function") return "a stream";
  return tagOf(value) === "Error" ? "a value of type Error" : undefined;
}

function lostIn(value: unknown): string | undefined {
  let lost: string | undefined;
  JSON.stringify(value, (key, member: unknown) => {
    if (isEmptied(member)) lost ??= lostMember(key, member);
    return member;
  });
  return lost;
}

/** JSON writes the fields that these were given, as the code of an error, and loses what they hold. */
const holders: ReadonlySet<string> = new Set(["Error", "Map", "Set"]);

/** Costs a fraction of what a replacer does. JSON was written of the value, so that it holds no circle. */
function lostHolder(value: unknown, key: string | number): string | undefined {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return undefined;
  if (Array.isArray(value)) return lostHolderIn(value);
  if (typeof (value as { readonly toJSON?: unknown }).toJSON === "function") return undefined;
  if (Object.getPrototypeOf(value) !== Object.prototype && holders.has(tagOf(value))) return lostMember(key, value);
  for (const name of Object.keys(value)) {
    const member = (value as Readonly<Record<string, unknown>>)[name];
    const lost = typeof member === "object" ? lostHolder(member, name) : undefined;
    if (lost !== undefined) return lost;
  }
  return undefined;
}

function lostHolderIn(list: readonly unknown[]): string | undefined {
  for (let at = 0; at < list.length; at += 1) {
    const lost = typeof list[at] === "object" ? lostHolder(list[at], at) : undefined;
    if (lost !== undefined) return lost;
  }
  return undefined;
}

function lostMember(key: string | number, member: unknown): string {
  return `${key === "" ? "" : `"${key}", `}a value of type ${tagOf(member)}`;
}

/** JSON writes these as what they are. */
const isKeptByJson: ReadonlySet<string> = new Set(["Object", "Number", "String", "Boolean"]);

/** Whether JSON writes `{}` for something that is no empty object: a Map, an Error, a promise that nobody awaited. */
function isEmptied(member: unknown): boolean {
  if (typeof member !== "object" || member === null || Array.isArray(member)) return false;
  if (ArrayBuffer.isView(member) && !(member instanceof DataView)) return false;
  return Object.keys(member).length === 0 && !isKeptByJson.has(tagOf(member));
}

function tagOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
