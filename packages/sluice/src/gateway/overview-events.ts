// GET /v1/overview/events: every queue, about once a second, and the verdict of the last audit.
import type { App, GatewayContext } from "./context.ts";
import { EventStream } from "./event-stream.ts";

export function addOverviewRoute(app: App, context: GatewayContext): void {
  app.get("/v1/overview/events", { exposeHeadRoute: false }, ({ viewer }, reply) => {
    const { overview } = context;
    const resources = new DisposableStack();
    const stream = new EventStream(context, reply, resources);
    if (stream.begin(overview.greeting(viewer))) resources.use(overview.watch(viewer, (text) => stream.write(text)));
  });
}
