import { defineConfig, RetryLater, type Handler, type QueueConfig } from "sluice";
import type { Order } from "./order.ts";
import { make, type Made } from "./values.ts";

/** Requests that were put off once: a later attempt ends well. */
const late = new Set<string>();

const handle: Handler = async (request, { progress, sql }) => {
  const order = request.json() as Order;
  await new Promise(setImmediate); // so that good and bad ones end in one turn
  switch (order.act) {
    case "good":
    case "respond":
      return order;
    case "report":
      progress(madeOrThrown(order.value));
      return order;
    case "take-body":
      structuredClone(null, { transfer: [request.bytes.buffer as ArrayBuffer] });
      return order;
    case "send":
      process.send?.(order.value);
      return order;
    case "query":
      return (await sql?.query(make(order.text) as string, make(order.values) as unknown[]))?.rows;
    case "return":
      return madeOrThrown(order.value);
    case "throw": {
      if (late.has(request.id)) return order;
      const value = madeOrThrown(order.value);
      if (order.value.is === "later" || value instanceof RetryLater) late.add(request.id);
      throw value;
    }
    default:
      return order satisfies never;
  }
};

/** A value that refuses to be made is as good as the one that it throws. */
function madeOrThrown(made: Made): unknown {
  try {
    return make(made);
  } catch (thrown) {
    return thrown;
  }
}

const queue: QueueConfig = {
  concurrency: 64,
  timeout: "10s",
  retry: { attempts: 2, backoff: "10ms", backoffMax: "20ms" },
};
const { DATABASE_URL: databaseUrl, TARGET: target } = process.env;

export default defineConfig({
  queues: {
    orders: { ...queue, handle },
    ...(databaseUrl !== undefined && { transacted: { ...queue, concurrency: 8, transactional: true, handle } }),
    ...(target !== undefined && { posted: { ...queue, target } }),
  },
});
