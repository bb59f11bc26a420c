// The ticks of a schedule. Apart from the rest, so that only processes with schedules load the library that reads cron.
import { Cron } from "croner";
import { messageOf, SluiceError } from "../core/errors.ts";
import { everyTicks, type Beat, type Ticks } from "../core/schedule.ts";

/** Errors: `bad-config`, naming the schedule. */
export function ticksOf(name: string, beat: Beat): Ticks {
  if (beat.kind === "every") return everyTicks(beat.everyMs);
  const cron = parseCron(name, beat);
  const ticks: Ticks = {
    next: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime(),
    previous: (beforeMs) => cron.previousRuns(1, new Date(beforeMs))[0]?.getTime(),
  };
  if (ticks.next(0) !== undefined) return ticks;
  throw new SluiceError("bad-config", `schedules.${name}.cron must match some day, and "${beat.cron}" matches none`);
}

function parseCron(name: string, { cron, timeZone }: Extract<Beat, { kind: "cron" }>): Cron {
  try {
    // A time that exists twice ticks once, and one that does not exist ticks when the clocks have changed: but with wildcards.
    return new Cron(cron, { timezone: timeZone, mode: "5-part", fixedTimeRule: "no-wildcard", paused: true });
  } catch (cause) {
    const reason = messageOf(cause).replace(/^CronPattern: /, "");
    throw new SluiceError("bad-config", `schedules.${name}.cron: ${reason}`, { cause });
  }
}
