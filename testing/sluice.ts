import { fileURLToPath } from "node:url";
import { startChild } from "./child.ts";
import type { Child } from "./child.ts";

export interface StartRoleOptions {
  readonly configFile?: string | undefined;
  /** More arguments of the command, such as `["--queue", "orders", "--target", url]`. */
  readonly args?: readonly string[] | undefined;
  /** Where a cluster's servers are, and more. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Arguments of Node.js itself, such as `["--cpu-prof"]`. */
  readonly nodeArgs?: readonly string[] | undefined;
}

export interface StartGatewayOptions extends StartRoleOptions {
  /** A free one unless given; give the port of an earlier start to start it again. */
  readonly port?: number | undefined;
}

export interface StartSluiceOptions extends StartGatewayOptions {
  readonly dataFolder: string;
}

export interface Sluice extends Child {
  readonly url: string;
  readonly port: number;
}

/** The command as users run it, for `node`. */
export const sluiceCommand = fileURLToPath(new URL("../packages/sluice/bin/sluice.js", import.meta.url));

/** Starts `sluice up` as a child process; resolves once it listens. Disposing kills it. */
export function startSluice({ dataFolder, ...options }: StartSluiceOptions): Promise<Sluice> {
  return startListening(["up", "--data", dataFolder], options);
}

/** Starts `sluice gateway` as a child process; resolves once it listens. Disposing kills it. */
export function startSluiceGateway(options: StartGatewayOptions): Promise<Sluice> {
  return startListening(["gateway"], options);
}

/** Starts `sluice worker` as a child process; resolves once it works. Disposing kills it. */
export async function startSluiceWorker(options: StartRoleOptions): Promise<Child> {
  const { child } = await startRole(["worker"], { ...options, ready: /^Sluice works on / });
  return child;
}

async function startListening(
  words: readonly string[],
  { port = 0, ...options }: StartGatewayOptions,
): Promise<Sluice> {
  const ready = /^Sluice listens on (http:\/\/\S+)/;
  const { child, line } = await startRole([...words, "--port", String(port)], { ...options, ready });
  const url = line[1] ?? "";
  return { ...child, url, port: Number(new URL(url).port) };
}

interface Role extends StartRoleOptions {
  readonly ready: RegExp;
}

async function startRole(
  words: readonly string[],
  { configFile, args = [], env, nodeArgs = [], ready }: Role,
): Promise<{ readonly child: Child; readonly line: RegExpExecArray }> {
  const config = configFile === undefined ? [] : ["--config", configFile];
  const child = await startChild({
    command: process.execPath,
    args: [...nodeArgs, sluiceCommand, ...words, ...config, ...args],
    env: { SLUICE_LINGER: "0s", ...env }, // a test that stops one waits for no proxy
  });
  try {
    return { child, line: await child.line(ready) };
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}
