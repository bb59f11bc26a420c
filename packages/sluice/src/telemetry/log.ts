import { pino, type Logger } from "pino";
import { visible } from "../core/visible.ts";

export type { Logger };

export interface LogOptions {
  readonly level: string;
  /** Lines for people instead of JSON. */
  readonly isPretty: boolean;
}

/** Logs go to standard error: standard output belongs to the results of a command. */
export function openLog({ level, isPretty }: LogOptions): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: describe } };
  if (!isPretty) return pino(options, pino.destination({ fd: 2, sync: true }));
  return pino({
    ...options,
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

/** An error's own words and where it came from. What drivers add to theirs is left out: it may be what was stored. */
function describe(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, stack } = error;
  const code = "code" in error ? String(error.code) : undefined;
  return { type: name, message, code, stack };
}
