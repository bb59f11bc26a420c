// GET /v1/overview/events: every queue, about once a second, and the verdict of the last audit.
import type { App, GatewayContext } from "./context.ts";
import { EventStream } from "./event-stream.ts";
import { bytes } from "./schemas.ts";

export function addOverviewRoute(app: App, context: GatewayContext): void {
  const schema = {
    summary: "Server-sent events: all queues about once a second, their last quarter of an hour, the last audit",
    tags: ["queues"],
    response: { 200: bytes("event: history, audit, overview, unreadable", "text/event-stream") },
  };
  app.get("/v1/overview/events", { schema, exposeHeadRoute: false }, ({ viewer }, reply) => {
    const { overview } = context;
    const resources = new DisposableStack();
    const stream = new EventStream(context, reply, resources);
    if (stream.begin(overview.greeting(viewer))) resources.use(overview.watch(viewer, (text) => stream.write(text)));
  });
}
