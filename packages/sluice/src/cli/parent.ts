// A copy's side of --replicas: the process that started it.
import cluster from "node:cluster";

export interface Parent {
  /** Tells the line that the parent prints once all copies are ready. */
  ready(line: string): void;
  /** Aborts when the parent asks this copy to stop, or has died. */
  readonly gone: AbortSignal;
  /** Lets go of the parent, so that this process can end. */
  leave(): void;
}

/** What a copy tells its parent. */
export interface Ready {
  readonly ready: string;
}

/** Undefined when this process is no copy. */
export function findParent(): Parent | undefined {
  const { worker } = cluster;
  if (worker === undefined) return undefined;
  const gone = new AbortController();
  process.on("SIGINT", () => {}); // the parent has it too
  worker.on("error", () => {}); // a message to a parent that has just gone: "disconnect" follows
  worker.once("disconnect", () => {
    worker.exitedAfterDisconnect = true; // or Node ends this process here and now
    gone.abort();
  });
  return {
    ready: (line) => void worker.send({ ready: line } satisfies Ready),
    gone: gone.signal,
    leave: () => {
      if (worker.isConnected()) process.disconnect();
    },
  };
}

/** Ends a copy that has failed: as long as its parent is there, it would not end by itself. */
export function leaveAsCopy(): void {
  if (cluster.isWorker) process.exit();
}
