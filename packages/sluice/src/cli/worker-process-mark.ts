// How a worker process of `sluice up` is told from a `sluice up` that somebody started.

/** Set for a worker process by its parent, and for nobody else. */
const mark = "SLUICE_WORKER_PROCESS";

/** The environment of a worker process, beside that of its parent. */
export const markedEnv: Readonly<Record<string, string>> = { [mark]: "1" };

/** Beside the standard ones and the channel of the messages. */
export const processFds = { begins: 4, lifeline: 5 } as const;

/** Whether this process was started as a worker process. What it starts itself is none. */
export function isWorkerProcess(): boolean {
  const isMarked = process.env[mark] !== undefined;
  delete process.env[mark];
  return isMarked && process.connected;
}
