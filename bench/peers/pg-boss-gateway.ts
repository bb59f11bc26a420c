// Fastify sends each request to pg-boss and answers 202 once PostgreSQL has committed the job.
import fastify from "fastify";
import { Pool } from "pg";
import { placementIn } from "./placement.ts";
import { policy, queueName, startBoss } from "./pg-boss-settings.ts";

const boss = await startBoss();
await boss.createQueue(queueName, { policy });
const pool = new Pool({ connectionString: process.env["DATABASE_URL"], max: 1 });
const app = fastify();
let accepted = 0;

const receipt = { type: "object", properties: { id: { type: "string" } } };
app.post("/requests", { schema: { response: { 202: receipt } } }, async (request, reply) => {
  const { order, urgency } = placementIn(request.headers);
  const id = await boss.send(queueName, request.body as object, {
    ...(order !== undefined && { singletonKey: order }),
    ...(urgency !== undefined && { priority: 7 - urgency }), // the higher number first: pgboss.io/api/jobs#send
  });
  if (id === null) throw new Error("pg-boss took no job");
  accepted += 1;
  reply.code(202);
  return { id };
});

const countFinished = `
  SELECT count(*)::int AS finished FROM pgboss.job
  WHERE name = $1 AND state = 'completed' AND output IS NOT NULL`;

app.get("/counts", async () => {
  const { rows } = await pool.query<{ finished: number }>(countFinished, [queueName]);
  return { accepted, finished: rows[0]?.finished };
});

console.log(`ready ${await app.listen({ port: 0, host: "127.0.0.1" })}`);
process.once("SIGTERM", () => process.exit(0));
