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
  /** Its reader is gone from the start, or its disk is full. */
  readonly stdout?: "closed" | "full";
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

export async function runSluice({ args, url, input, env, cwd, stdout: output, during }: RunOptions): Promise<Ended> {
  const place = url === undefined ? {} : { SLUICE_URL: url };
  const shell = output === "full" ? ["sh", "-c", 'exec "$@" >/dev/full', "sh"] : [];
  const [command, ...words] = [...shell, process.execPath, sluiceCommand, ...args] as [string, ...string[]];
  const child = spawn(command, words, { env: { ...process.env, ...place, ...env }, cwd });
  if (output === "closed") child.stdout.destroy();
  const printed = output === "closed" ? "" : text(child.stdout);
  const outputs = Promise.all([printed, text(child.stderr), once(child, "close")]);
  child.stdin.on("error", () => {}); // a command that refuses its arguments does not read its input
  if (during === undefined) child.stdin.end(input);
  else await during({ stdin: child.stdin, kill: (signal) => child.kill(signal) });
  const [stdout, stderr, [exitCode]] = (await outputs) as [string, string, [number | null]];
  return { exitCode, stdout, stderr };
}
