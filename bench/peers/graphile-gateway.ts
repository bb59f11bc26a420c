// Fastify adds a job for each request and answers 202 once PostgreSQL has committed it: worker.graphile.org/docs/library/add-job
import fastify from "fastify";
import { makeWorkerUtils } from "graphile-worker";
import { createResults, openPool, taskName } from "./graphile-settings.ts";
import { placementIn } from "./placement.ts";

const pool = openPool();
const utils = await makeWorkerUtils({ pgPool: pool });
await utils.migrate();
await pool.query(createResults);
const app = fastify();
let accepted = 0;

const receipt = { type: "object", properties: { id: { type: "string" } } };
app.post("/requests", { schema: { response: { 202: receipt } } }, async (request, reply) => {
  const { order, urgency } = placementIn(request.headers);
  // Jobs of one queue run one after another, and the lower number goes first: worker.graphile.org/docs/library/add-job
  const spec = {
    ...(order !== undefined && { queueName: order }),
    ...(urgency !== undefined && { priority: urgency }),
  };
  const { id } = await utils.addJob(taskName, request.body, spec);
  accepted += 1;
  reply.code(202);
  return { id };
});

app.get("/counts", async () => {
  const { rows } = await pool.query<{ finished: number }>("SELECT count(*)::int AS finished FROM results");
  return { accepted, finished: rows[0]?.finished };
});

console.log(`ready ${await app.listen({ port: 0, host: "127.0.0.1" })}`);
process.once("SIGTERM", () => process.exit(0));
