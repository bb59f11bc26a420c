// GET /metrics: what is counted in this process, and the queues as the store has them.
import { messageOf } from "../core/errors.ts";
import type { App, GatewayContext } from "./context.ts";

export function addMetricsRoute(app: App, { meter, log }: GatewayContext): void {
  app.get("/metrics", async (_request, reply) => {
    // Loaded here, so that a gateway that nobody scrapes starts without it.
    const { prometheusPage, prometheusType } = await import("../telemetry/prometheus.ts");
    const onError = (error: unknown): void => log.warn({ err: messageOf(error) }, "some metrics cannot be read");
    return reply.type(prometheusType).send(Buffer.from(await prometheusPage(meter, onError)));
  });
}
