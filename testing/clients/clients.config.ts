import { defineConfig, Reject } from "sluice";

const rejected = new Set<string>();

export default defineConfig({
  queues: {
    orders: {
      handle(request) {
        const order = request.json() as { readonly total: number };
        if (order.total !== 13 || rejected.has(request.id)) return order;
        rejected.add(request.id);
        throw new Reject("13 is refused once");
      },
    },
  },
});
