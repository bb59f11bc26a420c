import { systemClock, type Clock } from "../../core/clock.ts";
import type { OnCommit } from "../../engine/commit.ts";
import type { Engine, QueueBounds } from "../../engine/engine.ts";
import { makeNamedFolder } from "../../files/make-folder.ts";
import { Audits } from "./audits.ts";
import type { Problem, ReaderCall, ToWriter, WriterCall, WriterSettings } from "./calls.ts";
import { EmbeddedEngine } from "./engine.ts";
import { OpenFiles } from "./open-files.ts";
import { packCalls } from "./pack.ts";
import { Watchers } from "../shared/watchers.ts";
import { Thread } from "./thread.ts";

export interface EmbeddedOptions {
  /** The data folder; made if it is not there. One process owns it at a time. */
  readonly folder: string;
  /** How a second start is told who has the folder; `"another process"` unless given. */
  readonly owner?: string;
  readonly queues: readonly QueueBounds[];
  /** How long finished requests, their results and their keys are kept; 7 days unless set. */
  readonly retentionMs?: number;
  /** Crashes in flight after which a request ends dead as `poison`; 5 unless set. */
  readonly crashesMax?: number;
  /** Whether it keeps what a gateway forwards. A folder is one or the other for as long as it lives; not a spool unless set. */
  readonly isSpool?: boolean;
  /** Bytes that must stay free on the disk for intake to go on; 256 MiB or a tenth of the disk unless set. */
  readonly diskFreeMin?: number | undefined;
  readonly clock?: Clock;
  /** Told of each commit, after it. */
  readonly onCommit?: OnCommit | undefined;
}

/**
 * Opens the engine that keeps its requests in a folder of this machine. Errors: `bad-config` when it cannot be written,
 * `folder-owned` when another process has it, `schema-newer` when a newer Sluice wrote it, `unsafe-store` when a setting that durability needs does not hold.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<Engine> {
  const { folder, queues, clock = systemClock } = options;
  await makeNamedFolder("the data folder", folder, { isPrivate: true });
  const clockOffsetMs = (): number => (clock === systemClock ? 0 : clock.now() - systemClock.now());
  const workerData: WriterSettings = {
    folder,
    owner: options.owner ?? "another process",
    // A queue's settings may hold more than its bounds, and not all of it can cross to a thread.
    queues: queues.map(({ name, backlogMax, backlogBytesMax, lines }) => ({
      name,
      backlogMax,
      backlogBytesMax,
      lines,
    })),
    retentionMs: options.retentionMs ?? 7 * 86_400_000,
    crashesMax: options.crashesMax ?? 5,
    diskFreeMin: options.diskFreeMin,
    clockOffsetMs: clockOffsetMs(),
    isSpool: options.isSpool ?? false,
  };
  const watchers = new Watchers();
  let problem: Problem | undefined;
  let damage: Problem | undefined;
  const writer = await Thread.open<WriterCall>({
    file: new URL(`writer${extension}`, import.meta.url),
    workerData,
    wrap(calls) {
      const { value, transfer } = packCalls(calls);
      return { value: { calls: value, clockOffsetMs: clockOffsetMs() } satisfies ToWriter, transfer };
    },
    onCommit: options.onCommit,
    onTold: (told) => {
      problem = told;
    },
    onLapsed: (ids) => {
      for (const id of ids) watchers.tell(id, { kind: "state", state: "dead", at: clock.now() });
    },
  });
  const openReader = (): Promise<Thread<ReaderCall>> =>
    Thread.open({
      file: new URL(`reader${extension}`, import.meta.url),
      workerData: { folder },
      wrap: (calls) => ({ value: calls, transfer: [] }),
      onTold: (told) => {
        damage = told;
      },
    });
  let reader: Thread<ReaderCall>;
  try {
    reader = await openReader();
  } catch (error) {
    await writer.call({ verb: "close" }); // else this process has the folder, and nobody can open it
    await writer.exited();
    throw error;
  }
  return new EmbeddedEngine({
    writer,
    reader,
    audits: new Audits(openReader),
    queues: queues.map(({ name }) => name),
    clock,
    watchers,
    problem: () => problem,
    damage: () => damage,
    files: new OpenFiles(folder),
  });
}

/** `.ts` in development, `.js` in the package. */
const extension = import.meta.url.slice(import.meta.url.lastIndexOf("."));
