// What `sluice send` reads: a file or standard input.
import { open } from "node:fs/promises";
import { extname, resolve } from "node:path";
import { messageOf } from "../core/errors.ts";
import { CommandError, exitCodes, usageError } from "./failure.ts";

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
}

/** `-` or nothing is standard input. The signal ends the input early, as if it had no more. */
export async function openInput(name: string | undefined, signal: AbortSignal): Promise<Input> {
  if (name !== undefined && name !== "-") return openFile(resolve(name), signal);
  if (process.stdin.isTTY && name === undefined)
    throw usageError("nothing to send: name a FILE, or - for standard input");
  return inputOf(process.stdin, { path: undefined, bytesTotal: undefined, signal });
}

async function openFile(path: string, signal: AbortSignal): Promise<Input> {
  try {
    const file = await open(path);
    const stat = await file.stat();
    if (stat.isDirectory()) throw new Error("it is a folder");
    return inputOf(file.createReadStream(), { path, bytesTotal: stat.isFile() ? stat.size : undefined, signal });
  } catch (cause) {
    throw new CommandError(`cannot read ${path}: ${messageOf(cause)}`, {
      code: "unreadable",
      exitCode: exitCodes.failed,
      cause,
    });
  }
}

interface InputDetails {
  readonly path: string | undefined;
  readonly bytesTotal: number | undefined;
  readonly signal: AbortSignal;
}

function inputOf(
  stream: NodeJS.ReadStream | import("node:fs").ReadStream,
  { path, bytesTotal, signal }: InputDetails,
): Input {
  const end = () => stream.destroy();
  signal.addEventListener("abort", end, { once: true });
  let bytesRead = 0;

  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of stream as AsyncIterable<Uint8Array>) {
        bytesRead += chunk.length;
        yield chunk;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  return {
    path,
    extension: extname(path ?? "").toLowerCase(),
    bytesTotal,
    get bytesRead() {
      return bytesRead;
    },
    chunks: chunks(),
    async [Symbol.asyncDispose]() {
      signal.removeEventListener("abort", end);
      stream.destroy();
    },
  };
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
