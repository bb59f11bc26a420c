// BullMQ's settings, which gateway and worker share. What its guide leaves open is set to what measured best here.

export const queueName = "orders";

/**
 * The guide recommends 100 to 300 for light work (docs.bullmq.io/guide/parallelism-and-concurrency);
 * 300 was the fastest, in a worker process of its own.
 */
export const workerConcurrency = Number(process.env["BULLMQ_CONCURRENCY"] ?? 300);

/** ioredis' auto-pipelining stays off: with it, intake was a seventh slower. */
export const connection = {
  host: "127.0.0.1",
  port: Number(process.env["REDIS_PORT"]),
  maxRetriesPerRequest: null, // required for workers: docs.bullmq.io/guide/going-to-production
};
