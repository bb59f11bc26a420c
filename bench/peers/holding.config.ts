// Says when the first request is delivered and holds on to it, so that all the others wait.
import { once } from "node:events";
import { defineConfig } from "sluice";

export default defineConfig({
  queues: {
    orders: {
      concurrency: 1,
      timeout: "1d",
      async handle(request, { signal }) {
        console.log(`delivered ${request.id}`);
        await once(signal, "abort");
      },
    },
  },
});
