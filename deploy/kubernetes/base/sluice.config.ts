import { defineConfig } from "sluice";

export default defineConfig({
  targets: { allow: ["b"] }, // a Service of the cluster: its address is private
  queues: {
    orders: {
      target: "http://b:9000/process", // or handle(request) { … }
      rate: "100000/h",
      concurrency: 16,
      scaling: { min: 1, max: 8, maxWait: "5m" },
    },
  },
});
