// Runs the `sluice` command as users do, with its standard input and outputs apart.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { sluiceCommand } from "@sluice/testing";

export interface RunOptions {
  readonly args: readonly string[];
  readonly url?: string;
  /** Written to standard input, which then ends. */
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Gets the process while it runs. */
  readonly during?: (child: RunningSluice) => Promise<void>;
}

export interface RunningSluice {
  readonly stdin: NodeJS.WritableStream;
  kill(signal: NodeJS.Signals): boolean;
}

export interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runSluice({ args, url, input, env, cwd, during }: RunOptions): Promise<Ended> {
  const place = url === undefined ? {} : { SLUICE_URL: url };
  const child = spawn(process.execPath, [sluiceCommand, ...args], { env: { ...process.env, ...place, ...env }, cwd });
  const outputs = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  child.stdin.on("error", () => {}); // a command that refuses its arguments does not read its input
  if (during === undefined) child.stdin.end(input);
  else await during({ stdin: child.stdin, kill: (signal) => child.kill(signal) });
  const [stdout, stderr, [exitCode]] = (await outputs) as [string, string, [number | null]];
  return { exitCode, stdout, stderr };
}
