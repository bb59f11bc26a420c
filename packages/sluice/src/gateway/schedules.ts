// GET /v1/schedules: the schedules that this process runs, with their next and last ticks.
import type { ScheduleStatus } from "../core/schedule.ts";
import type { App, GatewayContext } from "./context.ts";
import type { ScheduleView } from "./schemas.ts";
import { timeTextOrNull } from "./time-text.ts";

export function addScheduleRoute(app: App, { schedules }: GatewayContext): void {
  app.get("/v1/schedules", ({ viewer }, reply) => {
    const seen = schedules().filter(({ queue }) => viewer.sees(queue));
    return reply.send({ schedules: seen.map(viewOf) });
  });
}

function viewOf({ name, queue, beat, missed, nextAt, last }: ScheduleStatus): ScheduleView {
  const when =
    beat.kind === "cron" ? { cron: beat.cron, timeZone: beat.timeZone } : { every: beat.text, timeZone: null };
  const times = { nextAt: timeTextOrNull(nextAt), lastAt: timeTextOrNull(last?.at), lastId: last?.id ?? null };
  return { name, queue, ...when, missed, ...times };
}
