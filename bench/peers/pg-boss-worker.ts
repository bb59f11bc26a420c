// pg-boss keeps what the handler says of each job as the job's output, in the statement that completes it.
import { batchSize, localConcurrency, queueName, startBoss } from "./pg-boss-settings.ts";
import { work } from "./work.ts";

const boss = await startBoss();
const options = {
  batchSize,
  localConcurrency,
  perJobResults: true, // else a batch leaves no output: pgboss.io/api/workers#work-name-options-handler
  burstWhenBatchFull: true, // the next fetch at once while there is more: pgboss.io/api/workers
  pollingIntervalSeconds: 0.5, // the least it allows; 2 unless given
} as const;
await boss.work<object, object, typeof options>(queueName, options, (jobs) =>
  Promise.all(jobs.map(async ({ id, data }) => ({ id, status: "completed" as const, output: await work(data) }))),
);
console.log("ready");
process.once("SIGTERM", () => process.exit(0));
