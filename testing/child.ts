// A child process of a test: its lines, its signals, its end. It owns the process; disposing kills it,
// and none outlives the process that started it.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

export interface StartChildOptions {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the environment of this process; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly cwd?: string | undefined;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Child extends AsyncDisposable {
  readonly pid: number;
  /** Resolves at the end of the process, after its last line. */
  readonly exited: Promise<Exit>;
  /** The newest lines of standard output and standard error, at most 10,000. */
  output(): string;
  /** The first line that fits, also one printed before the call. Rejects, with the output, if the process ends first. */
  line(pattern: RegExp): Promise<RegExpExecArray>;
  /** False when the process had ended already. */
  kill(signal: NodeJS.Signals): boolean;
}

const linesMax = 10_000;
const running = new Set<ChildProcess>();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

/** Starts a program; resolves once it runs, rejects when it cannot be started. */
export async function startChild({ command, args, env, cwd }: StartChildOptions): Promise<Child> {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = exitOf(child);
  const lines = new Lines([child.stdout, child.stderr]);
  await once(child, "spawn");
  running.add(child);
  return {
    pid: child.pid as number,
    exited,
    output: () => lines.text(),
    line: (pattern) => lines.first(pattern, exited),
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once("close", (code: number | null, signal: NodeJS.Signals | null) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
}

class Lines {
  readonly #lines: string[] = [];
  readonly #watchers = new Set<(line: string) => void>();

  constructor(streams: readonly Readable[]) {
    for (const input of streams) createInterface({ input }).on("line", (line) => this.#add(line));
  }

  text(): string {
    return this.#lines.join("\n");
  }

  async first(pattern: RegExp, exited: Promise<Exit>): Promise<RegExpExecArray> {
    const { promise, resolve } = Promise.withResolvers<RegExpExecArray>();
    const watcher = (line: string): void => {
      const match = pattern.exec(line);
      if (match) resolve(match);
    };
    this.#lines.forEach(watcher);
    this.#watchers.add(watcher);
    try {
      const first = await Promise.race([promise, exited]);
      if (Array.isArray(first)) return first;
      throw new Error(`the process ended (${first.signal ?? first.code}) before a line ${pattern}:\n${this.text()}`);
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  #add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > linesMax) this.#lines.shift();
    for (const watcher of this.#watchers) watcher(line);
  }
}
