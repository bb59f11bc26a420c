// --replicas: a small process that keeps copies of itself running. It owns them: none outlives it by more than a
// graceful stop. Copies of a gateway share its port, as node:cluster listens for all of them.
import cluster, { type Worker as Copy } from "node:cluster";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../core/clock.ts";
import type { Logger } from "../telemetry/log.ts";
import { CommandError, exitCodes } from "./failure.ts";
import { stopSignals } from "./hang-up.ts";
import { catchInterrupts, causeOf, type Interrupts } from "./interrupt.ts";
import { copyVariable, type Asked, type Told } from "./parent.ts";
import { printLine } from "./print.ts";

const restartMinMs = 1_000;
const restartMaxMs = 30_000;

/** Whether this process is the one that is to start the copies. */
export function isParent(replicas: number): boolean {
  return replicas > 1 && cluster.isPrimary;
}

/**
 * Runs so many copies of this process until it is asked to stop. The first one starts alone: what keeps it from
 * starting would keep the others too, and is told once.
 */
export async function runReplicas(count: number, log: Logger): Promise<void> {
  const hurry = new AbortController();
  const onAgain = (): boolean => {
    const isNew = !hurry.signal.aborted; // copies that were asked already may still tell that they linger
    hurry.abort();
    return isNew && lingering.size > 0;
  };
  using caught = catchInterrupts({ signals: stopSignals(log), onAgain });
  const { stop, abort } = caught;
  const lingering = new Set<Copy>();
  const interrupts = { stop, abort, hurry: hurry.signal, lingering };
  stop.addEventListener("abort", () => {
    log.info({ replicas: count }, "stopping");
    if (causeOf(stop) !== "SIGTERM") hurry.abort();
  });
  const first = startCopy(interrupts, 1);
  if ((await first.ready) === undefined && !stop.aborted) return leaveLike(await first.ended);
  let unready = count;
  const onReady = (line: string): void => {
    unready -= 1;
    if (unready === 0) printLine(line);
  };
  const others = Array.from({ length: stop.aborted ? 0 : count - 1 }, (_, place) => startCopy(interrupts, place + 2));
  const ends = await Promise.all([first, ...others].map((copy) => keepRunning(copy, { interrupts, log, onReady })));
  const isGraceful = ends.every(({ code, signal }) => code === exitCodes.ok || signal === "SIGTERM");
  process.exitCode = isGraceful && !abort.aborted ? exitCodes.ok : exitCodes.failed;
}

interface End {
  readonly code: number | null;
  readonly signal: string | null;
}

interface Asking extends Omit<Interrupts, keyof Disposable> {
  /** Aborts when copies should linger no longer. */
  readonly hurry: AbortSignal;
  /** The copies that linger. */
  readonly lingering: Set<Copy>;
}

interface Running {
  readonly no: number;
  readonly pid: number | undefined;
  readonly startedAt: number;
  /** The line that tells that it is ready; undefined when it ended before. */
  readonly ready: Promise<string | undefined>;
  readonly ended: Promise<End>;
}

function startCopy({ stop, hurry, abort, lingering }: Asking, no: number): Running {
  const copy = cluster.fork({ [copyVariable]: String(no) });
  copy.on("error", () => {}); // a question to a copy that has just gone
  const ask = (asked: Asked): void => {
    if (copy.isConnected()) copy.send(asked);
  };
  const ending = new AbortController();
  const once = { once: true, signal: ending.signal };
  stop.addEventListener("abort", () => ask("stop"), once);
  hurry.addEventListener("abort", () => ask("hurry"), once);
  abort.addEventListener("abort", () => void copy.process.kill("SIGKILL"), once);
  const ended = endOf(copy).finally(() => {
    ending.abort();
    lingering.delete(copy);
  });
  const ready = new Promise<string>((resolve) => {
    copy.on("message", ({ ready: line, isLingering }: Told) => {
      if (line !== undefined) resolve(line);
      if (isLingering !== undefined) lingering[isLingering ? "add" : "delete"](copy);
    });
  });
  return {
    no,
    pid: copy.process.pid,
    startedAt: systemClock.monotonic(),
    ready: Promise.race([ready, ended.then(() => undefined)]),
    ended,
  };
}

function endOf(copy: Copy): Promise<End> {
  return new Promise((resolve) => {
    copy.once("exit", (code, signal) => resolve({ code, signal }));
    copy.once("error", () => resolve({ code: exitCodes.failed, signal: null })); // it could not be started
  });
}

/** The copy has said why. */
function leaveLike({ code, signal }: End): void {
  if (code === null)
    throw new CommandError(`the first copy was ended by ${signal} before it was ready`, {
      code: "failed",
      exitCode: exitCodes.failed,
    });
  process.exitCode = code;
}

interface Keeping {
  readonly interrupts: Asking;
  readonly log: Logger;
  /** Called once. */
  readonly onReady: (line: string) => void;
}

/** Starts a copy again whenever it ends, until all are to stop; resolves with how the last one ended. */
async function keepRunning(first: Running, { interrupts, log, onReady }: Keeping): Promise<End> {
  const { stop } = interrupts;
  let running = first;
  let tell: typeof onReady | undefined = onReady;
  for (let restartMs = restartMinMs; ; restartMs = Math.min(restartMs * 2, restartMaxMs)) {
    const line = await running.ready;
    if (line !== undefined) {
      tell?.(line);
      tell = undefined;
    }
    const end = await running.ended;
    if (stop.aborted) return end;
    if (systemClock.monotonic() - running.startedAt > restartMaxMs) restartMs = restartMinMs;
    log.warn({ pid: running.pid, ...end, restartMs }, "a copy ended by itself: it is started again");
    await sleep(restartMs, undefined, { signal: stop }).catch(() => {}); // asked to stop meanwhile
    if (stop.aborted) return { code: exitCodes.ok, signal: null };
    running = startCopy(interrupts, running.no);
  }
}
