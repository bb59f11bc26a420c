// The routes that read queues.
import type { DeadGroup } from "../engine/failures.ts";
import { unknownQueue } from "./context.ts";
import type { App, GatewayContext, OfQueue } from "./context.ts";
import { timeText } from "./time-text.ts";

export function addQueueRoutes(app: App, { engine, views, longReads }: GatewayContext): void {
  app.get("/v1/queues", async ({ viewer }) => {
    const queues = await views.readAll();
    return { queues: queues.filter(({ name }) => viewer.sees(name)) };
  });

  app.get<OfQueue>("/v1/queues/:queue", async (request) => {
    const view = await views.readOne(request.params.queue);
    if (view === undefined) throw unknownQueue(request.params.queue);
    return view;
  });

  app.get<OfQueue>("/v1/queues/:queue/dead", async (request) => {
    const { queue } = request.params;
    if ((await views.readOne(queue)) === undefined) throw unknownQueue(queue);
    const groups = await longReads.inTurn(request, () => engine.deadByError(queue));
    return { groups: groups.map(viewOfGroup) };
  });
}

function viewOfGroup({ errorCode, count, newest: { id, message, finishedAt } }: DeadGroup) {
  return { error: errorCode, count, newest: { id, message, at: timeText(finishedAt) } };
}
