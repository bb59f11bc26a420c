import { defineConfig, Reject } from "sluice";

export default defineConfig({
  callbacks: { secret: "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3" },
  queues: {
    orders: { handle: (request) => ({ bytes: request.bytes.length }) },
    mails: {
      schema: { type: "object", required: ["to"] },
      handle: () => {
        throw new Reject("no such address");
      },
    },
    /** Paused, so that its requests wait. */
    parcels: { handle: () => "delivered" },
  },
});
