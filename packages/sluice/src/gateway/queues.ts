// The routes that read queues.
import type { DeadGroup } from "../engine/failures.ts";
import { unknownQueue } from "./context.ts";
import type { App, GatewayContext } from "./context.ts";
import { answers, DeadGroups, QueueList, QueueParams, QueueView } from "./schemas.ts";
import { timeText } from "./time-text.ts";

export function addQueueRoutes(app: App, { engine, views }: GatewayContext): void {
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

  const deadSchema = {
    summary: "Dead requests by the code of their error",
    tags: ["queues"],
    params: QueueParams,
    response: answers({ 200: { description: "The groups", schema: DeadGroups } }),
  };
  app.get("/v1/queues/:queue/dead", { schema: deadSchema }, async (request) => {
    const { queue } = request.params;
    if ((await views.readOne(queue)) === undefined) throw unknownQueue(queue);
    return { groups: (await engine.deadByError(queue)).map(viewOfGroup) };
  });
}

function viewOfGroup({ errorCode, count, newest: { id, message, finishedAt } }: DeadGroup) {
  return { error: errorCode, count, newest: { id, message, at: timeText(finishedAt) } };
}
