// A copy's side of --replicas: the process that started it.
import cluster from "node:cluster";

export interface Parent {
  /** Tells the line that the parent prints once all copies are ready. */
  ready(line: string): void;
  /** Aborts when the parent asks this copy to stop, or has died. */
  readonly stop: AbortSignal;
  /** Aborts when this copy should linger no longer. */
  readonly hurry: AbortSignal;
  /** Tells whether this copy lingers: the parent's next signal ends that first. */
  lingering(isLingering: boolean): void;
  /** Lets go of the parent, so that this process can end. */
  leave(): void;
}

/** What a copy tells its parent. */
export interface Told {
  readonly ready?: string;
  readonly isLingering?: boolean;
}

/** What a parent asks of its copy. */
export type Asked = "stop" | "hurry";

/** Which of the copies it is, from 1; one that is started again has the number of the one that died. */
export const copyVariable = "SLUICE_COPY";

/** 1 when this process is no copy. */
export function copyNo(): number {
  return cluster.isWorker ? Number(process.env[copyVariable] ?? 1) : 1;
}

/** Undefined when this process is no copy. */
export function findParent(): Parent | undefined {
  const { worker } = cluster;
  if (worker === undefined) return undefined;
  const stop = new AbortController();
  const hurry = new AbortController();
  for (const signal of ["SIGINT", "SIGHUP"]) process.on(signal, () => {}); // the parent has it too
  worker.on("error", () => {}); // a message to a parent that has just gone: "disconnect" follows
  worker.on("message", (asked: Asked) => (asked === "stop" ? stop : hurry).abort());
  worker.once("disconnect", () => {
    worker.exitedAfterDisconnect = true; // or Node ends this process here and now
    hurry.abort(); // with its parent the port is gone
    stop.abort();
  });
  const tell = (told: Told): void => {
    if (worker.isConnected()) worker.send(told);
  };
  return {
    ready: (ready) => tell({ ready }),
    stop: stop.signal,
    hurry: hurry.signal,
    lingering: (isLingering) => tell({ isLingering }),
    leave: () => {
      if (worker.isConnected()) process.disconnect();
    },
  };
}

/** Ends a copy that has failed: as long as its parent is there, it would not end by itself. */
export function leaveAsCopy(): void {
  if (cluster.isWorker) process.exit();
}
