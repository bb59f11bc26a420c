// The client's ledger: what was sent and what the client saw, in a file of its own. It owns the file;
// a line is on disk before the client's next step.
import { open, type FileHandle } from "node:fs/promises";

export type LedgerLine =
  | { readonly kind: "sent"; readonly key: string; readonly sha256: string }
  | { readonly kind: "accepted"; readonly key: string; readonly sha256: string; readonly id: string }
  /** A definite no: nothing may come of it. */
  | { readonly kind: "refused"; readonly key: string; readonly sha256: string; readonly status: number }
  /** No answer came: it may have been stored or not. */
  | { readonly kind: "unknown"; readonly key: string; readonly sha256: string; readonly reason: string }
  /** A result that the client read on the way, by the hash of its bytes. */
  | { readonly kind: "result"; readonly id: string; readonly resultHash: string };

export class Ledger implements AsyncDisposable {
  readonly lines: LedgerLine[] = [];
  readonly #file: FileHandle;
  #written: Promise<void> = Promise.resolve();
  #next: { readonly lines: string[]; readonly written: Promise<void> } | undefined;

  static async open(path: string): Promise<Ledger> {
    return new Ledger(await open(path, "a"));
  }

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Resolves once the lines are on disk; those that come together share the fsync. */
  append(...lines: readonly LedgerLine[]): Promise<void> {
    for (const line of lines) this.lines.push(line);
    if (this.#next === undefined) {
      const texts: string[] = [];
      this.#written = this.#written.then(() => this.#write(texts));
      this.#next = { lines: texts, written: this.#written };
    }
    for (const line of lines) this.#next.lines.push(JSON.stringify(line));
    return this.#next.written;
  }

  async #write(lines: readonly string[]): Promise<void> {
    this.#next = undefined;
    await this.#file.appendFile(`${lines.join("\n")}\n`);
    await this.#file.sync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#written;
    await this.#file.close();
  }
}
