// What gateway and worker share. What pg-boss' documentation leaves open is set to what measured best here.
import { PgBoss } from "pg-boss";

export const queueName = "orders";

/** With `key_strict_fifo` the jobs of one singletonKey run one after another: pgboss.io/api/queues#createqueue-name-queue */
export const policy = process.env["PG_BOSS_POLICY"] ?? "standard";

/** How many jobs one fetch takes, and how many such fetches are under way: pgboss.io/api/workers#work-name-options-handler */
export const batchSize = Number(process.env["PG_BOSS_BATCH"] ?? 100);
export const localConcurrency = Number(process.env["PG_BOSS_CONCURRENCY"] ?? 4);

/**
 * Supervision, schedules, retries and retention are as they come, in both processes: pgboss.io/api/constructor#supervise
 * A job is committed before `send` resolves.
 */
export async function startBoss(): Promise<PgBoss> {
  const boss = new PgBoss({
    connectionString: process.env["DATABASE_URL"] ?? "",
    max: Number(process.env["PG_BOSS_POOL"] ?? 20), // 10 unless given: pgboss.io/api/constructor#max
  });
  boss.on("error", (error) => console.error(error)); // without a listener it would end the process: pgboss.io/api/events
  await boss.start();
  return boss;
}
