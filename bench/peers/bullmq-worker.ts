import { Worker } from "bullmq";
import { connection, queueName, workerConcurrency } from "./bullmq-connection.ts";
import { work } from "./work.ts";

const worker = new Worker(queueName, async (job) => work(job.data), { connection, concurrency: workerConcurrency });
worker.on("error", (error) => console.error(error));
await worker.waitUntilReady();
console.log("ready");
process.once("SIGTERM", () => process.exit(0));
