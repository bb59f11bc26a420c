// What gateway and worker share. What the parts' own guides leave open is set to what measured best here.
import { connect } from "amqplib";
import type { ChannelModel } from "amqplib";
import { Pool } from "pg";

export const queueName = "orders";

/** A quorum queue is RabbitMQ's choice where messages must not be lost: rabbitmq.com/docs/quorum-queues */
export const queueOptions = { durable: true, arguments: { "x-queue-type": "quorum" } };

/** 100 to 300 usually gives the best throughput: rabbitmq.com/docs/confirms#channel-qos-prefetch-throughput */
export const prefetch = Number(process.env["TEXTBOOK_PREFETCH"] ?? 100);

export const seenSeconds = 86_400;

export const redisUrl = process.env["REDIS_URL"] ?? "";

export const createResults = `
  CREATE TABLE IF NOT EXISTS results (
    id uuid PRIMARY KEY,
    result jsonb NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now()
  )`;

/** A name makes it a prepared statement: node-postgres.com/features/queries#prepared-statements */
export const insertResult = { name: "insert-result", text: "INSERT INTO results (id, result) VALUES ($1, $2)" };

export async function connectBroker(): Promise<ChannelModel> {
  return await connect(process.env["AMQP_URL"] ?? "");
}

/** The default of 10 connections is where its guide starts: node-postgres.com/guides/pool-sizing */
export function openPool(): Pool {
  return new Pool({ connectionString: process.env["DATABASE_URL"], max: Number(process.env["TEXTBOOK_POOL"] ?? 20) });
}
