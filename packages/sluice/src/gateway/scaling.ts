// GET /v1/queues/{queue}/scaling: how many replicas the policy of `sluice autoscale` asks for, as flat numbers that any
// autoscaler can follow. KEDA's metrics-api reads `desiredReplicas` with a target value of 1.
import type { Engine, QueueStatus } from "../engine/engine.ts";
import type { QueueScalingDecision } from "../engine/queue-scaling.ts";
import { configuredQueue } from "./context.ts";
import type { App, GatewayContext, IntakeQueue, OfQueue } from "./context.ts";
import { unusedQueue } from "./queue-view.ts";

export function addScalingRoute(app: App, context: GatewayContext): void {
  app.get<OfQueue>("/v1/queues/:queue/scaling", async (request) => {
    const queue = configuredQueue(context, request.params.queue);
    const { name, goal } = queue;
    const status = (await context.views.readStatus(name)) ?? unusedQueue(name);
    const decision = await decideAndAsk(context.engine, queue, status);
    return {
      queue: name,
      desiredReplicas: decision.replicas,
      replicas: status.workers,
      forecastWaitSeconds: Number.isFinite(decision.forecastWaitMs) ? decision.forecastWaitMs / 1_000 : null,
      reason: decision.reason.kind,
      because: decision.reason.text,
      arrivalsPerHour: decision.arrivalsPerHour,
      perReplicaPerHour: decision.perReplicaPerHour ?? null,
      backlog: status.backlog,
      goal: {
        min: goal.min,
        max: goal.max,
        maxWaitSeconds: goal.maxWaitMs / 1_000,
        holdSeconds: goal.holdMs / 1_000,
      },
    };
  });
}

/** Whoever asks is told what is stored already: after a restart it is what the next decision begins with. */
export async function decideAndAsk(
  engine: Pick<Engine, "askReplicas">,
  { goal, scaling }: Pick<IntakeQueue, "goal" | "scaling">,
  status: QueueStatus,
): Promise<QueueScalingDecision> {
  const decision = scaling.decide(status, status.workers);
  const { replicas } = decision;
  if (replicas !== (status.replicasAsked ?? goal.min)) await engine.askReplicas(status.queue, replicas);
  return decision;
}
