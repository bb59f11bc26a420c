// Lines of NDJSON as items of a batch, read with flat memory. Each gets a key that a second run derives again.
import { createHash } from "node:crypto";
import type { EncodedItem } from "@sluice/client";
import { messageOf } from "../core/errors.ts";
import { CommandError, exitCodes } from "./failure.ts";

/** Far above what a server takes: a bound on memory, for input that has no line ends. */
const lineCharsMax = 64 * 1024 ** 2;

export interface LineItem extends EncodedItem {
  /** From 1, as editors count. */
  readonly lineNumber: number;
}

export interface LineOptions {
  /** What tells this input from another one with the same lines. */
  readonly source: string;
  /** Each line is itself a body; otherwise it is `{"key"?, "body"}` or `{"key"?, "bodyBase64", "contentType"}`. */
  readonly isRaw: boolean;
}

export async function* lineItems(
  chunks: AsyncIterable<Uint8Array>,
  { source, isRaw }: LineOptions,
): AsyncGenerator<LineItem, void, undefined> {
  let lineNumber = 0;
  for await (const text of linesOf(chunks)) {
    lineNumber += 1;
    const line = text.trim();
    if (line === "") continue;
    const derivedKey = keyOf(source, lineNumber, line);
    yield {
      lineNumber,
      ...(isRaw ? rawItem(line, lineNumber, derivedKey) : envelopeItem(line, lineNumber, derivedKey)),
    };
  }
}

/** Splits at line feeds only: JSON text may hold every other separator. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const chunk of chunks) {
    const pieces = decode(() => decoder.decode(chunk, { stream: true })).split("\n");
    pieces[0] = rest + (pieces[0] as string);
    rest = pieces.pop() as string;
    if (rest.length > lineCharsMax) throw badInput(`a line is longer than ${lineCharsMax} characters`);
    yield* pieces;
  }
  const last = rest + decode(() => decoder.decode());
  if (last !== "") yield last;
}

function decode(read: () => string): string {
  try {
    return read();
  } catch (cause) {
    throw badInput("the input is not UTF-8", cause);
  }
}

/** The same input sent again has the same keys, so nothing is accepted twice. */
function keyOf(source: string, lineNumber: number, line: string): string {
  return createHash("sha256").update(`${source}\n${lineNumber}\n${line}`).digest("hex").slice(0, 32);
}

function rawItem(line: string, lineNumber: number, key: string): EncodedItem {
  parse(line, lineNumber);
  return { key, line: `{"key":"${key}","body":${line}}` };
}

/** The line's own text is sent, so that numbers keep their digits; a key is put in front where it has none. */
function envelopeItem(line: string, lineNumber: number, derivedKey: string): EncodedItem {
  const value = parse(line, lineNumber);
  if (!isEnvelope(value)) {
    throw badLine(lineNumber, 'expected {"key"?, "body"}; if each line is itself a body, add --raw-lines');
  }
  if (value.key === undefined) return { key: derivedKey, line: `{"key":"${derivedKey}",${line.slice(1)}` };
  if (typeof value.key !== "string") throw badLine(lineNumber, "the key must be a string");
  return { key: value.key, line };
}

function isEnvelope(value: unknown): value is { readonly key?: unknown } {
  return typeof value === "object" && value !== null && ("body" in value || "bodyBase64" in value);
}

function parse(line: string, lineNumber: number): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw badLine(lineNumber, `is not JSON: ${messageOf(cause).replace(/ \(line .*\)$/, "")}`, cause);
  }
}

function badLine(lineNumber: number, rule: string, cause?: unknown): CommandError {
  return new CommandError(`line ${lineNumber}: ${rule}`, {
    code: "bad-line",
    exitCode: exitCodes.failed,
    fields: { line: lineNumber },
    cause,
  });
}

function badInput(message: string, cause?: unknown): CommandError {
  return new CommandError(message, { code: "bad-input", exitCode: exitCodes.failed, cause });
}
