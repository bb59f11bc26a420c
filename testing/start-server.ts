import { setTimeout } from "node:timers/promises";
import { startChild } from "./child.ts";
import type { Child, StartChildOptions } from "./child.ts";

export interface StartServerOptions extends StartChildOptions {
  /** The line that it prints once it answers. */
  readonly ready: RegExp;
  /** What it prints when it ends because an earlier one, just killed, still has its port or its files. */
  readonly busy: RegExp;
}

const busyMs = 20_000;
const pauseMs = 100;

/** Starts a server; resolves once it is ready. It is tried again for 20 seconds while an earlier one is in its way. */
export async function startServer({ ready, busy, ...program }: StartServerOptions): Promise<Child> {
  const giveUpAt = performance.now() + busyMs;
  for (;;) {
    const child = await startChild(program);
    try {
      await child.line(ready);
      return child;
    } catch (error) {
      if (!busy.test(child.output()) || performance.now() > giveUpAt) throw error;
      await setTimeout(pauseMs);
    }
  }
}

/** Asks a server to end; kills it when it has not ended by then. */
export async function stopServer(child: Child, signal: NodeJS.Signals): Promise<void> {
  const timer = globalThis.setTimeout(() => child.kill("SIGKILL"), stopMs);
  child.kill(signal);
  await child.exited;
  clearTimeout(timer);
}

const stopMs = 10_000;
