// Checks what a start needs to know of its schedules before anything is open: cron patterns, and bodies against their queues' schemas.
import type { IntakeSettings, QueueSettings } from "../config/settings.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import type { PreparedSchedule } from "../schedules/schedules.ts";

/** Errors: `bad-config`, naming the schedule. */
export async function prepareSchedules(
  { schedules }: Pick<IntakeSettings, "schedules">,
  queues: readonly QueueSettings[],
): Promise<readonly PreparedSchedule[]> {
  if (schedules.length === 0) return [];
  // Loaded here, so that a process without schedules starts without them.
  const [{ ticksOf }, { compileSchemaCheck }] = await Promise.all([
    import("../schedules/ticks.ts"),
    import("../gateway/schema-check.ts"),
  ]);
  return schedules.map((schedule) => {
    const { name, queue, beat, body } = schedule;
    const schema = queues.find((one) => one.name === queue)?.schema;
    if (schema !== undefined) {
      const check = compileSchemaCheck(queue, schema);
      checkBody(name, () => check(body));
    }
    return { ...schedule, ticks: ticksOf(name, beat) };
  });
}

function checkBody(name: string, check: () => void): void {
  try {
    check();
  } catch (cause) {
    const paths = cause instanceof SluiceError ? cause.fields?.["paths"] : undefined;
    const where = (Array.isArray(paths) ? (paths as readonly { path: string; message: string }[]) : [])
      .map(({ path, message }) => `${path || "/"} ${message}`)
      .join(", ");
    throw new SluiceError("bad-config", `schedules.${name}.body: ${messageOf(cause)}: ${where}`, { cause });
  }
}
