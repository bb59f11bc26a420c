// What bytes are shown as: pretty JSON, text, or hex. Pure.

export type Shown = { readonly kind: "empty" } | { readonly kind: "json" | "text" | "hex"; readonly text: string };

export interface Bytes {
  readonly contentType: string;
  readonly bytes: Uint8Array;
  /** Whether these are all, or only the first of them. */
  readonly isWhole: boolean;
}

export function show({ contentType, bytes, isWhole }: Bytes): Shown {
  if (bytes.length === 0) return { kind: "empty" };
  const text = textOf(bytes, isWhole);
  if (text === undefined) return { kind: "hex", text: hexDump(bytes.subarray(0, hexBytesMax)) };
  const pretty = isWhole && /\bjson\b/.test(contentType) ? prettyJson(text) : undefined;
  return pretty === undefined ? { kind: "text", text } : { kind: "json", text: pretty };
}

/** Beyond it a dump tells a person nothing more. */
export const hexBytesMax = 4_096;

/** Undefined when these are not the bytes of a text. */
function textOf(bytes: Uint8Array, isWhole: boolean): string | undefined {
  try {
    // In a part the last character may be cut: a stream is allowed that.
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: !isWhole });
    return hasControlCharacter(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function hasControlCharacter(text: string): boolean {
  for (const character of text) if (character < " " && !"\t\n\r".includes(character)) return true;
  return false;
}

/** Undefined when it is no JSON. Numbers that JavaScript cannot hold are left as they came: then nothing is changed. */
function prettyJson(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const pretty = JSON.stringify(value, undefined, 2);
    return /\d{16}/.test(text) ? text : pretty;
  } catch {
    return undefined;
  }
}

/** Sixteen bytes a line: offset, hex, characters. */
export function hexDump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let offset = 0; offset < bytes.length; offset += 16) {
    const row = [...bytes.subarray(offset, offset + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const characters = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCodePoint(byte) : "·")).join("");
    lines.push(`${offset.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${characters}`);
  }
  return lines.join("\n");
}

const extensions: Readonly<Record<string, string>> = {
  "application/json": "json",
  "text/plain": "txt",
  "text/html": "html",
  "text/csv": "csv",
  "application/xml": "xml",
  "application/pdf": "pdf",
  "image/png": "png",
  "image/jpeg": "jpg",
};

/** A name for a download. */
export function fileName(what: string, id: string, contentType: string): string {
  const type = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  return `${what}-${id}.${extensions[type] ?? (type.endsWith("+json") ? "json" : "bin")}`;
}
