import { parseArgs } from "node:util";

export const help = `Usage: npm run demo -- [flags]

Sends real GitHub webhooks through Sluice, kills it with SIGKILL on the way, and counts what came out.

  --requests N    webhooks to send (20000)
  --kills N       times the server is killed while they are sent (1)
  --port N        the server's port (a free one)
  --data FOLDER   the server's data folder, kept afterwards (a temporary one)
  --help`;

export interface Flags {
  readonly requests: number;
  readonly kills: number;
  readonly port: number;
  readonly dataFolder: string | undefined;
  readonly isHelp: boolean;
}

export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      requests: { type: "string", default: "20000" },
      kills: { type: "string", default: "1" },
      port: { type: "string", default: "0" },
      data: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  return {
    requests: wholeNumber("--requests", values.requests, { min: 1, max: 10_000_000 }),
    kills: wholeNumber("--kills", values.kills, { min: 0, max: 1_000 }),
    port: wholeNumber("--port", values.port, { min: 0, max: 65_535 }),
    dataFolder: values.data,
    isHelp: values.help,
  };
}

function wholeNumber(flag: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`${flag} must be a whole number from ${min} to ${max}, got "${text}"`);
}
