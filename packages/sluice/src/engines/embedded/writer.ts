// The writer's thread: it alone writes to the store. Owns the folder's lock and the one writing connection.
import { closeSync, fsyncSync, openSync, statfsSync, type StatsFs } from "node:fs";
import { flushCompileCache } from "node:module";
import { dirname, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import { invariant, messageOf, SluiceError } from "../../core/errors.ts";
import type { LineSettings } from "../../core/line-settings.ts";
import { SeqSource } from "../../core/request-id.ts";
import { crashPoint } from "../../engine/crash-point.ts";
import type { FromThread, Opening, Problem, ToWriter, WriterSettings } from "./calls.ts";
import { Chains } from "./chains.ts";
import { ForwardJumps, preparePullIn, SteppingClock } from "./clock-steps.ts";
import { CommitLoop } from "./commit-loop.ts";
import { storeProblemOf } from "./database.ts";
import { setIdentity, whereIs } from "./examine.ts";
import { prepareExpire } from "./expire.ts";
import { lastSeqOf } from "./last-seq.ts";
import { Lines } from "./lines.ts";
import { Mark } from "./mark.ts";
import { OpenFiles } from "./open-files.ts";
import { openStore } from "./open-store.ts";
import { takeOwnership } from "./owner.ts";
import { QueueLedger } from "./queue-ledger.ts";
import { handBackRunning, recoverRunning } from "./recover.ts";
import { storeFileIn } from "./store-file.ts";
import type { Store } from "./store.ts";

const upkeepEveryMs = 1_000;
/** Room kept for outcomes when nothing more is accepted: this much, or a tenth of a small disk. */
const diskReserveBytes = 256 * 1024 * 1024;
const tokensPerGeneration = 2 ** 32;

/** A change of the schema and back: its cookie tells the database of this start from every other, and from backups. */
const NEXT_COOKIE = "CREATE VIEW next_cookie AS SELECT 1; DROP VIEW next_cookie;";
const NEXT_GENERATION = "UPDATE meta SET value = value + 1 WHERE name = 'generation' RETURNING value";

invariant(parentPort !== null, "the writer runs on a thread of its own");
const port = parentPort;
const settings = workerData as WriterSettings;
let clockOffsetMs = settings.clockOffsetMs;

try {
  start();
} catch (error) {
  port.postMessage({ kind: "refused", ...refusalOf(error) } satisfies Opening);
  port.close();
}

function refusalOf(error: unknown): Problem {
  const problem = storeProblemOf(error, storeFileIn(settings.folder));
  if (problem?.isLasting) return { code: "store-damaged", message: problem.message };
  if (problem !== undefined) return { code: problem.code, message: problem.message };
  if (error instanceof SluiceError) return { code: error.code, message: error.message };
  throw error;
}

function start(): void {
  const { folder, queues, crashesMax, retentionMs, isSpool } = settings;
  const ownership = takeOwnership(folder, settings.owner);
  const db = openStore(folder, isSpool);
  syncFolder(folder);
  syncFolder(dirname(resolve(folder)));
  const clock = new SteppingClock(() => Date.now() + clockOffsetMs);
  const disk = watchDisk(folder, settings.diskFreeMin);

  db.exec("BEGIN IMMEDIATE"); // before the ledger: each new queue would be a commit of its own
  const ledger = new QueueLedger(db, queues);
  const generation = db.prepare(NEXT_GENERATION).get()?.["value"] as number;
  const settingsOf = queues.map(({ name, lines }) => [ledger.named(name)?.no, lines] as const);
  const lines = new Lines(db, new Map(settingsOf.filter((one): one is [number, LineSettings] => one[1] !== undefined)));
  recoverRunning({ db, queues: ledger, lines, now: () => clock.now() }, crashesMax);
  const pullIn = preparePullIn(db, clock);
  pullIn();
  ledger.flush();
  setIdentity(db, isSpool);
  db.exec(NEXT_COOKIE);
  db.exec("COMMIT");
  crashPoint("start");
  const cookie = cookieUnderLog(db); // before the files are looked at: it cuts the log off
  const store: Store = {
    db,
    queues: ledger,
    chains: new Chains(db),
    lines,
    seqs: new SeqSource(lastSeqOf(db)),
    files: new OpenFiles(folder),
    mark: new Mark(folder, { ...whereIs(db), cookie }),
    isSpool,
    now: () => clock.now(),
  };

  let token = generation * tokensPerGeneration;
  const loop = new CommitLoop({
    store,
    nextToken: () => (token += 1),
    post: (message, transfer) => port.postMessage(message, transfer),
    crashesMax,
    accepting: disk.refusal,
  });
  const expire = prepareExpire(store, retentionMs);
  const jumps = new ForwardJumps(db, { lastSeq: store.seqs.last });
  const upkeep = setInterval(() => {
    disk.look();
    noteSchema();
    loop.upkeep(() => {
      if (pullIn()) loop.lookAgain();
      expireStep();
    });
    lapseStep();
  }, upkeepEveryMs);

  function noteSchema(): void {
    try {
      if (store.mark.cookie !== 0 && schemaCookie(db) !== store.mark.cookie) store.mark.forgetCookie();
    } catch {
      // The file is damaged: the next commit tells.
    }
  }

  /** One step at a time, so that calls get their turn in between. */
  function expireStep(): void {
    if (jumps.isSteady() && expire()) setImmediate(() => db.isOpen && loop.upkeep(expireStep));
  }

  /** As above. */
  function lapseStep(): void {
    if (loop.lapse()) setImmediate(() => db.isOpen && lapseStep());
  }

  port.on("message", (message: ToWriter) => {
    clockOffsetMs = message.clockOffsetMs;
    const close = message.calls.find(({ verb }) => verb === "close");
    loop.take(message.calls.filter(({ verb }) => verb !== "close"));
    if (close !== undefined) setImmediate(() => shutDown(close.call));
  });
  port.postMessage({ kind: "opened" } satisfies Opening);
  flushCompileCache(); // a thread that is killed with its process writes it no more
  loop.upkeep(() => void jumps.isSteady()); // tells of a full disk from the start, and notes a clock that is ahead

  function shutDown(call: number): void {
    clearInterval(upkeep);
    loop.stopDelivering();
    loop.upkeep(() => handBackRunning(store));
    noteSchema();
    db.close();
    store.mark.close();
    ownership.release();
    port.postMessage({ answers: [{ call }] } satisfies FromThread);
    port.close();
  }
}

/** The schema's cookie, once the log is empty and the database file has it; 0 while somebody's reading keeps the log. */
function cookieUnderLog(db: DatabaseSync): number {
  if (db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"] !== 0) return 0;
  return schemaCookie(db);
}

function schemaCookie(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA schema_version").get()?.["schema_version"]);
}

/** A file is durable once its name in the folder is, too. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}

/** Looks at the room on the disk now and then; refuses intake while it is short (I7). */
function watchDisk(folder: string, freeMin: number | undefined): { look(): void; refusal(): SluiceError | undefined } {
  let refusal: SluiceError | undefined;
  const look = (): void => {
    let found: StatsFs;
    try {
      found = statfsSync(folder);
    } catch (error) {
      refusal = new SluiceError("store-unavailable", `${folder} cannot be looked at: ${messageOf(error)}`);
      return;
    }
    const { bavail, blocks, bsize } = found;
    const free = bavail * bsize;
    const needed = freeMin ?? Math.min(diskReserveBytes, (blocks * bsize) / 10);
    const message = `the disk of ${folder} must keep ${needed} bytes free, it has ${free}`;
    refusal = free < needed ? new SluiceError("disk-full", message) : undefined;
  };
  look();
  return { look, refusal: () => refusal };
}
