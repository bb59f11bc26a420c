import { defineConfig } from "sluice";

/** Service B behind a queue that tries again soon and often: the faults are meant to pass. */
export default defineConfig({
  queues: {
    orders: {
      target: { url: process.env["FAULTS_TARGET"] ?? "", path: "append" },
      timeout: "10s",
      retry: { attempts: 100, backoff: "10ms", backoffMax: "200ms", retryAfterMax: "1m" },
    },
  },
});
