// A recording of arrivals that a file or a pipe holds, as it is or gzipped: read as it comes.
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { messageOf } from "../core/errors.ts";
import type { Arrivals } from "../planner/arrivals.ts";
import { Recording, type RecordingKind } from "../planner/recorded-arrivals.ts";
import { openFile } from "./input.ts";
import { lineGroups } from "./lines.ts";
import { formatCount, printable } from "./print.ts";

export interface RecordedFile {
  readonly arrivals: Arrivals;
  readonly skippedLines: number;
}

/** Tells on standard error what it had to skip. */
export async function readRecording(kind: RecordingKind, file: string): Promise<RecordedFile> {
  await using input = openFile(file);
  const recording = new Recording(kind);
  try {
    for await (const lines of lineGroups(unzipped(input.chunks), { fatal: false })) {
      for (const line of lines) recording.add(line);
    }
  } catch (error) {
    if (!isDamagedGzip(error)) throw error;
    recording.skip(`what comes after line ${recording.lineCount} cannot be unzipped: ${messageOf(error)}`);
  }
  const { lineCount, skippedCount, firstSkipped = "" } = recording;
  const arrivals = recording.arrivals();
  if (skippedCount > 0) {
    const share = `${formatCount(skippedCount)} of ${formatCount(lineCount)} lines`;
    process.stderr.write(`skipped ${share} of ${printable(file)}; the first: ${printable(firstSkipped)}\n`);
  }
  return { arrivals, skippedLines: skippedCount };
}

/** Known by its first bytes: a pipe has no name. */
async function* unzipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const source = chunks[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < 2) {
    const { done, value } = await source.next();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  async function* whole(): AsyncGenerator<Uint8Array, void, undefined> {
    yield head;
    yield* { [Symbol.asyncIterator]: () => source };
  }
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  yield* isGzip ? (pipeline(whole(), createGunzip(), () => {}) as AsyncIterable<Uint8Array>) : whole();
}

function isDamagedGzip(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
}
