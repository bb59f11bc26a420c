import { fileURLToPath } from "node:url";
import { startChild } from "@sluice/testing";
import type { Child } from "@sluice/testing";

export interface NodeProcess extends AsyncDisposable {
  readonly pid: number;
  /** The URL it printed when it was ready; empty if it serves none. */
  readonly url: string;
}

export interface StartNodeProcessOptions {
  readonly script: URL;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly profileFolder?: string | undefined;
}

/** Starts a Node.js script that prints `ready <url>`. Disposing ends it politely, so that it can write its profile. */
export async function startNodeProcess(options: StartNodeProcessOptions): Promise<NodeProcess> {
  const args = [...profileArgs(options.profileFolder), fileURLToPath(options.script)];
  const child = await startChild({ command: process.execPath, args, env: options.env });
  const [, url = ""] = await child.line(/^ready ?(\S*)/);
  return { pid: child.pid, url, [Symbol.asyncDispose]: () => endPolitely(child) };
}

export function profileArgs(folder: string | undefined): readonly string[] {
  return folder === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${folder}`];
}

export async function endPolitely(child: Child): Promise<void> {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
  await child.exited;
  clearTimeout(timer);
}
