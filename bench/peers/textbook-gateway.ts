// Fastify publishes each request to the quorum queue and answers 202 once RabbitMQ has confirmed it:
// rabbitmq.com/docs/confirms. Requests under way share one channel, so that their confirms overlap.
import { randomUUID } from "node:crypto";
import fastify from "fastify";
import { connectBroker, createResults, openPool, queueName, queueOptions } from "./textbook-settings.ts";

const pool = openPool();
await pool.query(createResults);
const broker = await connectBroker();
const channel = await broker.createConfirmChannel();
await channel.assertQueue(queueName, queueOptions);

const app = fastify();
let accepted = 0;

// The body goes on as it came: parsing it only to write it out again made intake a seventh slower.
app.removeContentTypeParser("application/json");
app.addContentTypeParser("application/json", { parseAs: "buffer" }, (_request, body, done) => done(null, body));

const receipt = { type: "object", properties: { id: { type: "string" } } };
app.post<{ Body: Buffer }>("/requests", { schema: { response: { 202: receipt } } }, async (request, reply) => {
  const id = randomUUID();
  await publish(id, request.body);
  accepted += 1;
  reply.code(202);
  return { id };
});

app.get<{ Params: { id: string } }>("/requests/:id/result", async (request, reply) => {
  const { rows } = await pool.query<{ result: unknown }>("SELECT result FROM results WHERE id = $1", [
    request.params.id,
  ]);
  if (rows[0] === undefined) return reply.code(404).send();
  return rows[0].result;
});

app.get("/counts", async () => {
  const { rows } = await pool.query<{ finished: number }>("SELECT count(*)::int AS finished FROM results");
  return { accepted, finished: rows[0]?.finished };
});

console.log(`ready ${await app.listen({ port: 0, host: "127.0.0.1" })}`);
process.once("SIGTERM", () => process.exit(0));

function publish(id: string, body: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const options = { persistent: true, messageId: id, contentType: "application/json" };
  channel.sendToQueue(queueName, body, options, (error: Error | null) => {
    if (error) reject(error);
    else resolve();
  });
  return promise;
}
