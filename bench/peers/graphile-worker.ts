import { Logger, run } from "graphile-worker";
import { batching, concurrentJobs, insertResult, openPool, taskName } from "./graphile-settings.ts";
import { work } from "./work.ts";

const pool = openPool();
// A line for each job is what it logs by default; only what goes wrong is of use here: worker.graphile.org/docs/library/logger
const logger = new Logger(() => (level, message) => {
  if (level === "error" || level === "warning") console.error(message);
});

await run({
  pgPool: pool,
  logger,
  concurrency: concurrentJobs,
  noHandleSignals: true,
  preset: { worker: batching },
  taskList: {
    // One INSERT for each result, over the pool that the worker has: worker.graphile.org/docs/tasks
    async [taskName](payload, { job }) {
      await pool.query({ ...insertResult, values: [job.id, await work(payload)] });
    },
  },
});
console.log("ready");
process.once("SIGTERM", () => process.exit(0));
