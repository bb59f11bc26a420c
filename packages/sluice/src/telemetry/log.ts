import { pino, type Logger } from "pino";
import { messageOf, SluiceError } from "../core/errors.ts";
import { visible } from "../core/visible.ts";

export type { Logger };

export interface LogOptions {
  readonly level: string;
  /** Lines for people instead of JSON. */
  readonly isPretty: boolean;
}

const options = { base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describe } };

/** Logs go to standard error: standard output belongs to the results of a command. */
export function openLog({ level, isPretty }: LogOptions): Logger {
  if (!isPretty) return pino({ ...options, level }, pino.destination({ fd: 2, sync: true }));
  return pino({
    ...options,
    level,
    hooks: { streamWrite: spellOut },
    transport: {
      target: "pino-pretty",
      options: { destination: 2, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss" },
    },
  });
}

/** A line of JSON for a terminal: its texts may be from outside, and pino-pretty prints them as they are. */
function spellOut(line: string): string {
  const spelled = JSON.stringify(JSON.parse(line), (_, value: unknown) =>
    typeof value === "string" ? visible(value) : value,
  );
  return `${spelled}\n`;
}

/**
 * For the activity log: among the other lines, told apart by `log`, or in a file. Its lines come whatever the level, unless that
 * is silent. Errors: `bad-config` when the file cannot be opened.
 */
export function openActivityLines(log: Logger, file: string | undefined): Logger {
  const level = log.level === "silent" ? "silent" : "info";
  if (file === undefined) return log.child({ log: "activity" }, { level });
  try {
    const destination = pino.destination({ dest: file, append: true, sync: true, mode: 0o600 });
    destination.on("error", (error: Error) => log.error({ err: error, file }, "the activity log cannot be written"));
    return pino({ ...options, level: "info" }, destination).child({ log: "activity" });
  } catch (cause) {
    throw new SluiceError("bad-config", `activityLog must be a file that can be written: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** An error's own words and where it came from. What drivers add to theirs is left out: it may be what was stored. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack } = error;
  const code = "code" in error ? String(error.code) : undefined;
  return { type: name, message, code, stack };
}
