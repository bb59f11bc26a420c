// A recording of arrivals that a file or a pipe holds, as it is or gzipped: read as it comes.
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { messageOf } from "../core/errors.ts";
import type { Arrivals } from "../planner/arrivals.ts";
import { Recording, type RecordingKind } from "../planner/recorded-arrivals.ts";
import { CommandError, exitCodes } from "./failure.ts";
import { openFile } from "./input.ts";
import { formatCount, printable } from "./print.ts";

/** Far more than there is to read in a line: what comes after it is passed over. */
const lineCharsMax = 16 * 1024;
/** A line that goes on for longer has no end. */
const passedCharsMax = 256 * 1024 ** 2;
/** So much zlib keeps to itself before what it cannot unzip. */
const lostBytesMax = 4 * 1024;

export interface RecordedFile {
  readonly arrivals: Arrivals;
  readonly skippedLines: number;
}

/** Tells on standard error what it had to skip. */
export async function readRecording(kind: RecordingKind, file: string): Promise<RecordedFile> {
  await using input = openFile(file);
  const recording = new Recording(kind);
  try {
    for await (const lines of lineGroups(unzipped(input.chunks))) {
      for (const line of lines) recording.add(line);
    }
  } catch (error) {
    if (!isDamagedGzip(error)) throw error;
    recording.skip(`what comes after line ${recording.lineCount} cannot be unzipped: ${messageOf(error)}`);
  }
  const arrivals = recording.arrivals();
  const { lineCount, skippedCount, firstSkipped = "" } = recording;
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
  yield* isGzip
    ? (pipeline(whole(), createGunzip({ chunkSize: lostBytesMax }), () => {}) as AsyncIterable<Uint8Array>)
    : whole();
}

/** The lines that each chunk ends, whatever ends them: one by one they would cost more than what reads them. */
async function* lineGroups(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly string[], void, undefined> {
  let decoder: TextDecoder | undefined;
  let rest = "";
  let passed = 0;
  for await (const chunk of chunks) {
    decoder ??= decoderOf(chunk);
    const text = rest + decoder.decode(chunk, { stream: true });
    const isSplit = text.endsWith("\r"); // a line feed may follow
    const lines = (isSplit ? text.slice(0, -1) : text).split(/\r\n?|\n/);
    const last = lines.pop() as string;
    passed = lines.length > 0 ? 0 : passed + Math.max(0, last.length - lineCharsMax);
    if (passed > passedCharsMax) throw endless();
    rest = last.slice(0, lineCharsMax) + (isSplit ? "\r" : "");
    yield lines;
  }
  const last = rest + (decoder?.decode() ?? "");
  if (last !== "") yield [last];
}

/** By the byte order mark. */
function decoderOf([first, second]: Uint8Array): TextDecoder {
  if (first === 0xff && second === 0xfe) return new TextDecoder("utf-16le");
  return new TextDecoder(first === 0xfe && second === 0xff ? "utf-16be" : "utf-8");
}

function endless(): CommandError {
  const message = `a line is longer than ${passedCharsMax} characters`;
  return new CommandError(message, { code: "bad-input", exitCode: exitCodes.failed });
}

function isDamagedGzip(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("Z_");
}
