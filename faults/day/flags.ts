import { parseArgs } from "node:util";

export const help = `Two million requests in a day's shape, compressed, while every process is killed again and again.

  npm run day -- [flags]

  --engine E      embedded (one process), or cluster: two gateways and three workers on servers of their own (embedded)
  --requests N    of the whole day (2000000)
  --kills N       of each process, with SIGKILL (20)
  --seed N        the same seed sends the same and draws the same moments
  --speed N       simulated seconds in a second; unless given, so that the peak brings 16,667 requests a second to
                  embedded and 5,000 to cluster
  --report FILE   writes the figures there as Markdown, and the backlog's curve beside it
  --help`;

export const dayEngines = ["embedded", "cluster"] as const;
export type DayEngine = (typeof dayEngines)[number];

export interface DayFlags {
  readonly engine: DayEngine;
  readonly requests: number;
  readonly kills: number;
  readonly seed: number;
  readonly speed: number;
  readonly reportFile: string | undefined;
  readonly isHelp: boolean;
}

const peakPerSecond: Readonly<Record<DayEngine, number>> = { embedded: 16_667, cluster: 5_000 };
/** The day's total arrives in ten such hours. */
const peakHoursPerDay = 10;

export function parseDayFlags(args: readonly string[]): DayFlags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      engine: { type: "string", default: "embedded" },
      requests: { type: "string", default: "2000000" },
      kills: { type: "string", default: "20" },
      seed: { type: "string", default: String(Date.now() % 2 ** 31) },
      speed: { type: "string" },
      report: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  const engine = dayEngines.find((name) => name === values.engine);
  if (engine === undefined) throw new Error(`--engine must be one of ${dayEngines.join(", ")}, got "${values.engine}"`);
  const requests = count("--requests", values.requests);
  return {
    engine,
    requests,
    kills: count("--kills", values.kills),
    seed: count("--seed", values.seed),
    speed: values.speed === undefined ? speedOf(engine, requests) : count("--speed", values.speed),
    reportFile: values.report,
    isHelp: values.help,
  };
}

function speedOf(engine: DayEngine, requests: number): number {
  return Math.max(1, Math.round((peakPerSecond[engine] * 3_600 * peakHoursPerDay) / requests));
}

function count(flag: string, text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`${flag} must be a whole number above zero, got "${text}"`);
  return Number(text);
}
