// Fastify puts each request into a BullMQ queue and answers 202 once Redis has it on disk.
import { Queue } from "bullmq";
import fastify from "fastify";
import { connection, queueName } from "./bullmq-connection.ts";
import { placementIn } from "./placement.ts";

const queue = new Queue(queueName, { connection });
const app = fastify();
let accepted = 0;

const receipt = { type: "object", properties: { id: { type: "string" } } };
app.post("/requests", { schema: { response: { 202: receipt } } }, async (request, reply) => {
  const { urgency } = placementIn(request.headers);
  // 1 is the highest: docs.bullmq.io/guide/jobs/prioritized. Groups and what goes with them are in BullMQ Pro.
  const job = await queue.add("order", request.body, urgency === undefined ? {} : { priority: urgency + 1 });
  accepted += 1;
  reply.code(202);
  return { id: job.id };
});

app.get("/counts", async () => ({ accepted, finished: await queue.getCompletedCount() }));

console.log(`ready ${await app.listen({ port: 0, host: "127.0.0.1" })}`);
process.once("SIGTERM", () => process.exit(0));
