// The textbook's consumer: an id is marked as seen in Redis, then worked on, then its result is stored, then it is
// acknowledged. TEXTBOOK_CRASH_AT=claimed:<n> kills the process right after its nth mark, before the effect.
import type { Channel, ConsumeMessage } from "amqplib";
import { createClient } from "redis";
import {
  connectBroker,
  insertResult,
  openPool,
  prefetch,
  queueName,
  queueOptions,
  redisUrl,
  seenSeconds,
} from "./textbook-settings.ts";
import { work } from "./work.ts";

const crashAt = Number(/^claimed:(\d+)$/.exec(process.env["TEXTBOOK_CRASH_AT"] ?? "")?.[1]);
let claims = 0;

const pool = openPool();
const redis = createClient({ url: redisUrl });
redis.on("error", (error) => console.error(error));
await redis.connect();
const broker = await connectBroker();
const channel = await broker.createChannel();
await channel.assertQueue(queueName, queueOptions);
await channel.prefetch(prefetch);
// What fails ends the process, as an unhandled rejection does; whoever runs it starts it again.
await channel.consume(queueName, (delivery) => delivery && void handle(channel, delivery));
console.log("ready");
process.once("SIGTERM", () => process.exit(0));

async function handle(from: Channel, delivery: ConsumeMessage): Promise<void> {
  const id = String(delivery.properties.messageId);
  if (await isNew(id)) {
    const result = work(JSON.parse(delivery.content.toString()));
    await pool.query({ ...insertResult, values: [id, result] });
  } else {
    console.log(`dropped ${id}`);
  }
  from.ack(delivery);
}

async function isNew(id: string): Promise<boolean> {
  const expiration = { type: "EX", value: seenSeconds } as const;
  const answer = await redis.set(`seen:${id}`, "1", { condition: "NX", expiration });
  if (answer === null) return false;
  claims += 1;
  if (claims === crashAt) process.kill(process.pid, "SIGKILL");
  return true;
}
