// What commands read that may be large, or a pipe: a file or standard input.
import { createReadStream, fstatSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { extname, resolve } from "node:path";
import type { Readable } from "node:stream";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { pathText, reasonOf } from "../files/refusal.ts";
import { CommandError, exitCodes, usageError } from "./failure.ts";

/** Ctrl-C ends a pipe's writer too, and the end of the pipe may be seen first: so long a signal has to follow. */
const signalFollowsMs = 100;
/** A single body is held in memory; a server's own limit is far lower. */
const bodyBytesMax = 64 * 1024 ** 2;

export interface Input extends AsyncDisposable {
  /** The absolute path; undefined for standard input. */
  readonly path: string | undefined;
  /** Lower case, with its dot; empty for standard input. */
  readonly extension: string;
  /** Undefined when the end is not known, as in a pipe. */
  readonly bytesTotal: number | undefined;
  readonly bytesRead: number;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Ends the input early: the reader of its chunks is thrown the reason, so that no part is taken for the whole. */
  interrupt(reason: unknown): void;
}

/** `-` or nothing is standard input. */
export function openInput(name: string | undefined): Input {
  if (name !== undefined && name !== "-") return openFile(resolve(name));
  if (process.stdin.isTTY && name === undefined)
    throw usageError("nothing to send: name a FILE, or - for standard input");
  return inputOf(process.stdin, { path: undefined, bytesTotal: undefined });
}

/**
 * A pipe waits here for its writer, as in cat. That must not happen in another thread, where nothing could interrupt it; here
 * a signal ends the process, unless it is caught: open the input before you catch any.
 */
export function openFile(path: string): Input {
  try {
    const fd = openSync(path, "r");
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new Error("it is a folder");
    const stream = stat.isFIFO() ? new Socket({ fd, writable: false }) : createReadStream("", { fd });
    return inputOf(stream, { path, bytesTotal: stat.isFile() ? stat.size : undefined });
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): CommandError {
  const details = { code: "unreadable", exitCode: exitCodes.failed, cause };
  return new CommandError(`cannot read ${pathText(path)}: ${reasonOf(cause)}`, details);
}

interface InputDetails {
  readonly path: string | undefined;
  readonly bytesTotal: number | undefined;
}

function inputOf(stream: Readable, { path, bytesTotal }: InputDetails): Input {
  const interruption = new AbortController();
  let bytesRead = 0;

  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        bytesRead += chunk.length;
        yield chunk;
      }
      if (bytesTotal === undefined) await signalThatFollows(interruption.signal);
    } catch (cause) {
      interruption.signal.throwIfAborted();
      throw brokenOff(path ?? "standard input", cause);
    }
    interruption.signal.throwIfAborted();
  }

  return {
    path,
    extension: extname(path ?? "").toLowerCase(),
    bytesTotal,
    get bytesRead() {
      return bytesRead;
    },
    chunks: chunks(),
    interrupt(reason) {
      interruption.abort(reason);
      stream.destroy();
    },
    async [Symbol.asyncDispose]() {
      stream.destroy();
    },
  };
}

/** Signals are seen between two turns of the event loop, timers before them. */
async function signalThatFollows(signal: AbortSignal): Promise<void> {
  await sleep(signalFollowsMs, undefined, { signal });
  await turn();
}

/** What came before may end within a line. */
function brokenOff(name: string, cause: unknown): CommandError {
  const details = { code: "unreadable", exitCode: exitCodes.tryAgain, cause };
  return new CommandError(`cannot read ${pathText(name)} to its end: ${reasonOf(cause)}`, details);
}

/** The whole input as one body. */
export async function readWhole({ chunks }: Input): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) {
      const message = `a body may have up to ${bodyBytesMax} bytes; many requests go as lines: --ndjson or --raw-lines`;
      throw new CommandError(message, { code: "body-too-large", exitCode: exitCodes.failed });
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts, bytes);
}

const contentTypes: Readonly<Record<string, string>> = {
  ".json": "application/json",
  ".xml": "application/xml",
  ".csv": "text/csv; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".yaml": "application/yaml",
  ".yml": "application/yaml",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".jpg": "image/jpeg",
};

/** By the file's extension; what has none that is known is JSON if it parses as JSON, and bytes if not. */
export function guessContentType(extension: string, body: Uint8Array): string {
  const known = contentTypes[extension];
  if (known !== undefined) return known;
  return isJson(body) ? "application/json" : "application/octet-stream";
}

function isJson(body: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    return true;
  } catch {
    return false; // the question, not a failure
  }
}
