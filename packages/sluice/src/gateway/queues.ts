// The routes that read queues.
import { unknownQueue } from "./context.ts";
import type { App, GatewayContext } from "./context.ts";
import { answers, QueueList, QueueParams, QueueView } from "./schemas.ts";

export function addQueueRoutes(app: App, { views }: GatewayContext): void {
  const listSchema = {
    summary: "Every queue: counts, rates, age of the oldest, forecast, workers",
    tags: ["queues"],
    response: answers({ 200: { description: "The queues", schema: QueueList } }),
  };
  app.get("/v1/queues", { schema: listSchema }, async ({ viewer }) => {
    const queues = await views.readAll();
    return { queues: queues.filter(({ name }) => viewer.sees(name)) };
  });

  const oneSchema = {
    summary: "One queue: counts, rates, age of the oldest, forecast, workers",
    tags: ["queues"],
    params: QueueParams,
    response: answers({ 200: { description: "The queue", schema: QueueView } }),
  };
  app.get("/v1/queues/:queue", { schema: oneSchema }, async (request) => {
    const view = await views.readOne(request.params.queue);
    if (view === undefined) throw unknownQueue(request.params.queue);
    return view;
  });
}
