// A service that takes its time, so that a kill from outside finds requests under way, and work left behind them.
import { setTimeout as sleep } from "node:timers/promises";
import { defineConfig } from "sluice";
import { work } from "./work.ts";

const takesMs = 10;

export default defineConfig({
  queues: {
    orders: {
      concurrency: 32,
      async handle(request, { signal }) {
        await sleep(takesMs, undefined, { signal });
        return work(request.json());
      },
    },
  },
});
