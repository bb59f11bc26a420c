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
const db = openForReading(storeFileIn(folder));
const reads = prepareReads(db);
const list = prepareList(db);
const deadByError = prepareDeadByError(db);
const countDead = prepareCountDead(db);
const backlog = prepareBacklog(db);
const callbacksDue = prepareCallbacksDue(db);
const listActivity = prepareListActivity(db);
const auditor = prepareAudit(db);

port.on("message", (calls: readonly ReaderCall[]) => {
  const answers = calls.map(answerOf);
  port.postMessage({ answers } satisfies FromThread, answers.flatMap(largeBuffersOf));
  if (calls.some(({ verb }) => verb === "close")) port.close();
});
port.postMessage({ kind: "opened" } satisfies Opening);
flushCompileCache(); // a thread that is killed with its process writes it no more

/** Bytes of this many change hands without a copy; fewer are copied in less time. */
const largeBytesMin = 64 * 1024;

function largeBuffersOf({ value }: Answer): readonly ArrayBuffer[] {
  const { bytes } = (value ?? {}) as Partial<Content>;
  const isLarge = bytes instanceof Uint8Array && bytes.byteLength >= largeBytesMin;
  return isLarge && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];
}

/** I10: a call that throws fails alone. It changed nothing, so the thread can go on. */
function answerOf(call: ReaderCall): Answer {
  try {
    return { call: call.call, value: answer(call) };
  } catch (error) {
    return { call: call.call, error: problemOf(error) };
  }
}

function problemOf(error: unknown): Problem {
  const found = storeProblemOf(error, db);
  if (found === undefined)
    return { code: error instanceof SluiceError ? error.code : "internal", message: messageOf(error) };
  const problem = { code: found.code, message: found.message };
  if (found.isLasting) port.postMessage({ answers: [], told: { problem } } satisfies FromThread);
  return problem;
}

/** An audit of a store that fell behind would prove something else. */
function audit({ now, timeoutMsOf }: Extract<ReaderCall, { verb: "audit" }>): AuditReport {
  const mark = readMark(folder);
  const report = auditor.audit(now, timeoutMsOf);
  if (mark !== undefined) refuseOlder(db, folder, mark);
  return report;
}

function answer(call: ReaderCall): unknown {
  switch (call.verb) {
    case "read":
      return reads.read(call.id, call.now);
    case "readBody":
      return reads.readBody(call.id);
    case "readResult":
      return reads.readResult(call.id);
    case "readFailures":
      return reads.readFailures(call.id);
    case "deadByError":
      return deadByError(call.queue);
    case "countDead":
      return countDead(call.filter);
    case "list":
      return list(call.filter, call.now);
    case "backlog":
      return backlog(call.now, call.queue);
    case "callbacksDue":
      return callbacksDue(call.ask);
    case "listActivity":
      return listActivity(call.ask);
    case "audit":
      return audit(call);
    case "prove":
      return auditor.prove(call.id);
    case "wasKeyed":
      return wasKeyed(db);
    case "close":
      return db.close();
    default:
      return call satisfies never;
  }
}
