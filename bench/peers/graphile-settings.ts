// What gateway and worker share. The batching is that of graphile-worker's own figures: worker.graphile.org/docs/performance
import { Pool } from "pg";

export const taskName = "order";

/** Its own figures are from 24 jobs at once over 25 connections: worker.graphile.org/docs/performance */
export const concurrentJobs = Number(process.env["GRAPHILE_JOBS"] ?? 24);
const connectionsMax = Number(process.env["GRAPHILE_POOL"] ?? 25);

export const batching = {
  /** Jobs are fetched 500 at a time: worker.graphile.org/docs/performance#batching */
  localQueue: { size: Number(process.env["GRAPHILE_FETCH"] ?? 500) },
  /** What completes in the same turn is completed by one statement: worker.graphile.org/docs/performance#batching */
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
};

/** graphile-worker deletes a job that is done; what came of it is for the task to store. */
export const createResults = `
  CREATE TABLE IF NOT EXISTS results (
    id bigint PRIMARY KEY,
    result jsonb NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now()
  )`;

/** Tasks run at least once (worker.graphile.org/docs): the first result stays. */
export const insertResult = {
  name: "insert-result",
  text: "INSERT INTO results (id, result) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
};

export function openPool(): Pool {
  const pool = new Pool({ connectionString: process.env["DATABASE_URL"], max: connectionsMax });
  // A pool that is handed over needs its listeners: err.red/wpeh
  pool.on("error", (error) => console.error(error));
  pool.on("connect", (client) => client.on("error", (error) => console.error(error)));
  return pool;
}
