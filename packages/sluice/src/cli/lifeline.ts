// A thread of a worker process that ends the process once its parent is gone. The main thread does so by itself, unless a
// handler keeps it from its event loop: then nothing else would ever end it.
import { Socket } from "node:net";
import { workerData } from "node:worker_threads";

/** For the main thread to leave by itself. */
const graceMs = 1_000;
const { fd } = workerData as { readonly fd: number };

new Socket({ fd })
  .on("error", () => {})
  .once("close", () => void setTimeout(() => process.kill(process.pid, "SIGKILL"), graceMs))
  .resume();
