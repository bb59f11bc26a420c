import { defineConfig, github } from "sluice";

/** What `npm run bench:front` signs with. */
export const secret = "It's a Secret to Everybody";

export default defineConfig({
  queues: {
    orders: { handle: () => ({}) },
    passed: { target: process.env["BENCH_TARGET"] ?? "" },
  },
  front: {
    port: 0,
    routes: {
      "POST /plain": { queue: "orders" },
      "POST /signed": { queue: "orders", verify: github({ secret }) },
      "/*": { queue: "passed" },
    },
  },
});
