import type { Content } from "./content.ts";

const decoder = new TextDecoder();

/** Bytes with their type: what a handler returned, or what was submitted. */
export class Result implements Content {
  readonly contentType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;

  constructor({ contentType, bytes }: Content) {
    this.contentType = contentType;
    this.bytes = bytes;
  }

  text(): string {
    return decoder.decode(this.bytes);
  }

  /** Throws a SyntaxError when the bytes are no JSON. */
  json(): unknown {
    return JSON.parse(this.text()) as unknown;
  }
}
