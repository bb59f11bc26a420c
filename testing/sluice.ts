import { fileURLToPath } from "node:url";
import { startChild } from "./child.ts";
import type { Child } from "./child.ts";

export interface StartSluiceOptions {
  readonly dataFolder: string;
  /** A free one unless given; give the port of an earlier start to start it again. */
  readonly port?: number | undefined;
  readonly configFile?: string | undefined;
  /** More arguments of `sluice up`, such as `["--queue", "orders", "--target", url]`. */
  readonly args?: readonly string[] | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Arguments of Node.js itself, such as `["--cpu-prof"]`. */
  readonly nodeArgs?: readonly string[] | undefined;
}

export interface Sluice extends Child {
  readonly url: string;
  readonly port: number;
}

/** The command as users run it, for `node`. */
export const sluiceCommand = fileURLToPath(new URL("../packages/sluice/bin/sluice.js", import.meta.url));

/** Starts `sluice up` as a child process; resolves once it listens. Disposing kills it. */
export async function startSluice(options: StartSluiceOptions): Promise<Sluice> {
  const child = await startChild({
    command: process.execPath,
    args: argsOf(options),
    env: options.env,
  });
  try {
    const [, url = ""] = await child.line(/^Sluice listens on (http:\/\/\S+)/);
    return { ...child, url, port: Number(new URL(url).port) };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

function argsOf({ dataFolder, port = 0, configFile, args = [], nodeArgs = [] }: StartSluiceOptions): readonly string[] {
  const config = configFile === undefined ? [] : ["--config", configFile];
  return [...nodeArgs, sluiceCommand, "up", "--port", String(port), "--data", dataFolder, ...config, ...args];
}
