// The reader's thread: a connection of its own that can only read. Its snapshots never hold up the writer.
import { flushCompileCache } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type { Content } from "../../core/request.ts";
import type { AuditReport } from "../../engine/audit.ts";
import { invariant, messageOf, SluiceError } from "../../core/errors.ts";
import { prepareListActivity } from "./activity.ts";
import { prepareAudit } from "./audit.ts";
import { prepareBacklog } from "./backlog.ts";
import { prepareCallbacksDue } from "./callbacks.ts";
import type { Answer, FromThread, Opening, Problem, ReaderCall } from "./calls.ts";
import { openForReading, storeProblemOf } from "./database.ts";
import { prepareCountDead, prepareDeadByError } from "./dead-by-error.ts";
import { refuseOlder } from "./examine.ts";
import { wasKeyed } from "./keyed.ts";
import { prepareList } from "./list.ts";
import { readMark } from "./mark.ts";
import { prepareReads } from "./read.ts";
import { storeFileIn } from "./store-file.ts";

invariant(parentPort !== null, "the reader runs on a thread of its own");
const port = parentPort;
const { folder } = workerData as { folder: string };
const file = storeFileIn(folder);

try {
  serve(open());
  port.postMessage({ kind: "opened" } satisfies Opening);
  flushCompileCache(); // a thread that is killed with its process writes it no more
} catch (error) {
  refuse(error);
}

function open() {
  const db = openForReading(file);
  return {
    db,
    reads: prepareReads(db),
    list: prepareList(db),
    deadByError: prepareDeadByError(db),
    countDead: prepareCountDead(db),
    backlog: prepareBacklog(db),
    callbacksDue: prepareCallbacksDue(db),
    listActivity: prepareListActivity(db),
    audit: prepareAudit(db),
  };
}

type Opened = ReturnType<typeof open>;

function serve(opened: Opened): void {
  port.on("message", (calls: readonly ReaderCall[]) => {
    const answers = calls.map((call) => answerOf(opened, call));
    port.postMessage({ answers } satisfies FromThread, answers.flatMap(largeBuffersOf));
    if (calls.some(({ verb }) => verb === "close")) port.close();
  });
}

/** The writer has opened this store: whatever keeps a reader from it, a schema that is read no more too, is the file's. */
function refuse(error: unknown): void {
  const found = storeProblemOf(error, file);
  const message = found?.message ?? `${file} is damaged: ${messageOf(error)}`;
  const problem: Problem = { code: "store-unavailable", message };
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
function answerOf(opened: Opened, call: ReaderCall): Answer {
  try {
    return { call: call.call, value: answer(opened, call) };
  } catch (error) {
    return { call: call.call, error: problemOf(error) };
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

/** An audit of a store that fell behind would prove something else. */
function audit(
  { db, audit: prepared }: Opened,
  { now, timeoutMsOf }: Extract<ReaderCall, { verb: "audit" }>,
): AuditReport {
  const mark = readMark(folder);
  const report = prepared.audit(now, timeoutMsOf);
  if (mark !== undefined) refuseOlder(db, folder, mark);
  return report;
}

function answer(opened: Opened, call: ReaderCall): unknown {
  switch (call.verb) {
    case "read":
      return opened.reads.read(call.id, call.now);
    case "readBody":
      return opened.reads.readBody(call.id);
    case "readResult":
      return opened.reads.readResult(call.id);
    case "readFailures":
      return opened.reads.readFailures(call.id);
    case "deadByError":
      return opened.deadByError(call.queue);
    case "countDead":
      return opened.countDead(call.filter);
    case "list":
      return opened.list(call.filter, call.now);
    case "backlog":
      return opened.backlog(call.now, call.queue);
    case "callbacksDue":
      return opened.callbacksDue(call.ask);
    case "listActivity":
      return opened.listActivity(call.ask);
    case "audit":
      return audit(opened, call);
    case "prove":
      return opened.audit.prove(call.id);
    case "wasKeyed":
      return wasKeyed(opened.db);
    case "close":
      return opened.db.close();
    default:
      return call satisfies never;
  }
}
