import { defineConfig } from "sluice";
import { work } from "./work.ts";

export default defineConfig({
  queues: {
    orders: { concurrency: 64, handle: (request) => work(request.json()) },
  },
});
