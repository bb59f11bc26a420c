// The routes that read queues, and the audit.
import { unknownQueue } from "./context.ts";
import type { App, GatewayContext } from "./context.ts";
import { answers, Audit, QueueList, QueueParams, QueueView } from "./schemas.ts";

export function addQueueRoutes(app: App, { engine, views }: GatewayContext): void {
  const listSchema = {
    summary: "Every queue: counts, rates, age of the oldest, forecast, workers",
    tags: ["queues"],
    response: answers({ 200: { description: "The queues", schema: QueueList } }),
  };
  app.get("/v1/queues", { schema: listSchema }, async () => ({ queues: await views.readAll() }));

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

  const auditSchema = {
    summary: "The conservation law, queue by queue: accepted = the sum over the states",
    tags: ["queues"],
    response: answers({ 200: { description: "The verdict; 200 also when the law does not hold", schema: Audit } }),
  };
  app.get("/v1/audit", { schema: auditSchema }, () => engine.audit());
}
