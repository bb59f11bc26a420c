// What `sluice init` writes: the smallest configuration that does something, by path.

const config = `import { defineConfig } from "sluice";
import { handleOrder } from "./handlers/orders.ts";

export default defineConfig({
  queues: {
    orders: {
      rate: "100000/h", // at most so many begin in an hour
      concurrency: 16, // at most so many run at once
      timeout: "30s", // an attempt that takes longer is aborted and tried again
      handle: handleOrder,
    },
  },
});
`;

const handler = `import { Reject, type HandlerContext, type HandlerRequest } from "sluice";

interface Order {
  readonly sku: number;
  readonly quantity: number;
}

/**
 * Runs once for each attempt. What it returns is kept as the result; what it throws is tried again later,
 * except Reject, which makes the request dead at once. An attempt may be repeated after a crash: let effects
 * outside carry request.id, so that the other side can tell a repeat.
 */
export async function handleOrder(request: HandlerRequest, { signal, attempt, log }: HandlerContext) {
  const order = parseOrder(request.json());
  log.info({ sku: order.sku, attempt }, "order");
  signal.throwIfAborted(); // pass the signal on to whatever takes time, such as fetch(url, { signal })
  return { sku: order.sku, total: order.quantity * 6 };
}

function parseOrder(value: unknown): Order {
  const { sku, quantity = 1 } = (value ?? {}) as Partial<Order>;
  if (typeof sku !== "number" || typeof quantity !== "number") throw new Reject("an order has a sku and a quantity");
  return { sku, quantity };
}
`;

export const starterFiles: Readonly<Record<string, string>> = {
  "sluice.config.ts": config,
  "handlers/orders.ts": handler,
};
