// The client's books of a day: a line for each POST before it goes and one for what was seen of its answer. They own
// the file; a line is on disk before the client's next step, and nothing of it stays in memory.
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { createInterface } from "node:readline";

/** Requests with neighbouring numbers, which travel together. */
export interface Range {
  readonly from: number;
  readonly count: number;
}

export type BookLine =
  | ({ readonly kind: "sent" } & Range)
  /** `ids`: 32 hexadecimal digits for each request. */
  | ({ readonly kind: "accepted"; readonly ids: string } & Range)
  /** A definite no, for now: it is sent again. */
  | ({ readonly kind: "refused"; readonly status: number } & Range)
  /** No answer came: they may have been stored or not. */
  | ({ readonly kind: "unknown"; readonly reason: string } & Range)
  /** A result that was read on the way, by the hash of its bytes. */
  | { readonly kind: "result"; readonly id: string; readonly resultHash: string };

export class Books implements AsyncDisposable {
  readonly #file: FileHandle;
  #written: Promise<void> = Promise.resolve();
  #next: { readonly lines: string[]; readonly written: Promise<void> } | undefined;

  static async open(path: string): Promise<Books> {
    return new Books(await open(path, "a"));
  }

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Resolves once the line is on disk; lines that come together share the fsync. */
  append(line: BookLine): Promise<void> {
    if (this.#next === undefined) {
      const lines: string[] = [];
      this.#written = this.#written.then(() => this.#write(lines));
      this.#next = { lines, written: this.#written };
    }
    this.#next.lines.push(textOf(line));
    return this.#next.written;
  }

  async #write(lines: readonly string[]): Promise<void> {
    this.#next = undefined;
    await this.#file.appendFile(`${lines.join("\n")}\n`);
    await this.#file.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#written;
    await this.#file.close();
  }
}

/** Hands over the lines one after the other, as they lie on disk. */
export async function readBooks(path: string, heed: (line: BookLine) => void): Promise<void> {
  for await (const text of createInterface({ input: createReadStream(path, { highWaterMark: 1 << 20 }) }))
    heed(parseLine(text));
}

function textOf(line: BookLine): string {
  switch (line.kind) {
    case "sent":
      return `sent ${line.from} ${line.count}`;
    case "accepted":
      return `accepted ${line.from} ${line.count} ${line.ids}`;
    case "refused":
      return `refused ${line.from} ${line.count} ${line.status}`;
    case "unknown":
      return `unknown ${line.from} ${line.count} ${line.reason.replaceAll(/\s+/g, " ")}`;
    case "result":
      return `result ${line.id} ${line.resultHash}`;
    default:
      return line satisfies never;
  }
}

function parseLine(text: string): BookLine {
  const [kind, first = "", second = "", ...rest] = text.split(" ");
  if (kind === "result") return { kind, id: first, resultHash: second };
  const range = { from: Number(first), count: Number(second) };
  const last = rest.join(" ");
  if (kind === "sent") return { kind, ...range };
  if (kind === "accepted") return { kind, ...range, ids: last };
  if (kind === "refused") return { kind, ...range, status: Number(last) };
  if (kind === "unknown") return { kind, ...range, reason: last };
  throw new Error(`the books hold a line that is none of theirs: ${text.slice(0, 100)}`);
}
