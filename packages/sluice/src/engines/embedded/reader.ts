// The reader's thread: a connection of its own that can only read. Its snapshots never hold up the writer.
import { flushCompileCache } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type { Content } from "../../core/request.ts";
import { invariant, messageOf, SluiceError } from "../../core/errors.ts";
import type { Answer, FromThread, Opening, Problem, ReaderCall } from "./calls.ts";
import { openForReading, storeProblemOf } from "./database.ts";
import { prepareReaderVerbs, type ReaderVerbs } from "./reader-verbs.ts";
import { storeFileIn } from "./store-file.ts";

invariant(parentPort !== null, "the reader runs on a thread of its own");
const port = parentPort;
const { folder } = workerData as { folder: string };
const file = storeFileIn(folder);

try {
  serve(prepareReaderVerbs(openForReading(file), folder));
  port.postMessage({ kind: "opened" } satisfies Opening);
  flushCompileCache(); // a thread that is killed with its process writes it no more
} catch (error) {
  refuse(error);
}

function serve(verbs: ReaderVerbs): void {
  port.on("message", (calls: readonly ReaderCall[]) => {
    const answers = calls.map((call) => answerOf(verbs, call));
    port.postMessage({ answers } satisfies FromThread, answers.flatMap(largeBuffersOf));
    if (calls.some(({ verb }) => verb === "close")) port.close();
  });
}

/** The writer has opened this store: whatever keeps a reader from it, a schema that is read no more too, is the file's. */
function refuse(error: unknown): void {
  const found = storeProblemOf(error, file);
  const message = found?.message ?? `${file} is damaged: ${messageOf(error)}`;
  const problem: Problem = { code: found?.code ?? "store-unavailable", message };
  port.postMessage({ kind: "refused", ...problem } satisfies Opening);
  if (found?.isLasting !== false) port.postMessage({ answers: [], told: { problem } } satisfies FromThread);
  port.close();
}

/** Bytes of this many change hands without a copy; fewer are copied in less time. */
const largeBytesMin = 64 * 1024;

function largeBuffersOf({ value }: Answer): readonly ArrayBuffer[] {
  const { bytes } = (value ?? {}) as Partial<Content>;
  const isLarge = bytes instanceof Uint8Array && bytes.byteLength >= largeBytesMin;
  return isLarge && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];
}

/** I10: a call that throws fails alone. It changed nothing, so the thread can go on. */
function answerOf(verbs: ReaderVerbs, { call, verb, args }: ReaderCall): Answer {
  try {
    const answer = verbs[verb] as (...args: readonly unknown[]) => unknown;
    return { call, value: answer(...args) };
  } catch (error) {
    return { call, error: problemOf(error) };
  }
}

function problemOf(error: unknown): Problem {
  const found = storeProblemOf(error, file);
  if (found === undefined)
    return { code: error instanceof SluiceError ? error.code : "internal", message: messageOf(error) };
  const problem = { code: found.code, message: found.message };
  if (found.isLasting) port.postMessage({ answers: [], told: { problem } } satisfies FromThread);
  return problem;
}
