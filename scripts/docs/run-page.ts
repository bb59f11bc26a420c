// Runs what a page marks as runnable: see page-steps.ts. Only the ports are others than those shown.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { text as textOf } from "node:stream/consumers";
import {
  findProgram,
  freePort,
  startChild,
  startPostgres,
  startRabbitmq,
  startRedis,
  temporaryFolder,
  type Child,
} from "@sluice/testing";
import { isRunnable, stepsOf, type Step } from "./page-steps.ts";

/** Their paths below the root. */
/** What a newcomer reads first. */
export const firstPage = "docs/tutorial.md";

export function runnablePages(root: string): readonly string[] {
  const pages = globSync("docs/**/*.md", { cwd: root }).toSorted();
  return pages.filter((page) => isRunnable(readFileSync(path.join(root, page), "utf8")));
}

export async function runPage(root: string, page: string): Promise<void> {
  const steps = stepsOf(readFileSync(path.join(root, page), "utf8"));
  await using run = await PageRun.open(root);
  for (const step of steps) await run.do(step);
}

/** Of gateways and of a service behind, as the pages write them. */
const shownPorts = ["8080", "8090", "9000"];
const ready = /^(Sluice (listens|works) on|listening on) /;

/** Owns the page's folder, its servers and the processes that it started. */
class PageRun implements AsyncDisposable {
  readonly #resources = new AsyncDisposableStack();
  readonly #folder: string;
  readonly #ports: ReadonlyMap<string, string>;
  readonly #env: Record<string, string | undefined>;
  #servers: Child[] = [];
  #printed = "";

  /** A project of somebody who has installed Sluice and set nothing. */
  static async open(root: string): Promise<PageRun> {
    await using resources = new AsyncDisposableStack();
    const { path: folder } = resources.use(await temporaryFolder());
    await symlink(path.join(root, "node_modules"), path.join(folder, "node_modules"));
    await writeFile(path.join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
    const ports = new Map<string, string>();
    for (const port of shownPorts) ports.set(port, String(await freePort()));
    return new PageRun({ root, folder, ports, resources: resources.move() });
  }

  private constructor(options: {
    readonly root: string;
    readonly folder: string;
    readonly ports: ReadonlyMap<string, string>;
    readonly resources: AsyncDisposableStack;
  }) {
    const { root, folder, ports, resources } = options;
    this.#folder = folder;
    this.#ports = ports;
    this.#resources.use(resources);
    const port = ports.get("8080");
    this.#env = {
      PATH: `${path.join(root, "node_modules/.bin")}:${process.env["PATH"]}`,
      HOST: undefined,
      SLUICE_DATA: undefined,
      NODE_TEST_CONTEXT: undefined,
      PORT: port,
      SLUICE_URL: `http://127.0.0.1:${port}`,
    };
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case "run":
        return this.#run(this.#withPorts(step.command), step.exitCode);
      case "server":
        return this.#start(this.#withPorts(step.command));
      case "file":
        return this.#write(step.name, this.#withPorts(step.text));
      case "output":
        return assert.match(this.#printed.trim(), patternOf(this.#withPorts(step.text)));
      case "stop":
        return this.#stop(step.signal);
      case "cluster":
        return this.#startServers();
      default:
        step satisfies never;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server[Symbol.asyncDispose]();
    await this.#resources.disposeAsync();
  }

  async #run(command: string, exitCode: number): Promise<void> {
    const child = spawn("bash", ["-euo", "pipefail", "-c", command], {
      cwd: this.#folder,
      env: { ...process.env, ...this.#env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = once(child, "close");
    const [out, error] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
    const [code] = (await ended) as [number | null];
    this.#printed = out;
    const servers = this.#servers.map((server) => server.output()).join("\n");
    assert.equal(code, exitCode, `${command}\n${out}${error}\nservers:\n${servers}`);
  }

  /** Without npm in between: it hands no signal on to what it runs. */
  async #start(shown: string): Promise<void> {
    if (shown.startsWith("python3 ")) findProgram({ program: "python3", debianPackage: "python3" });
    const command = `exec ${shown.trim().replace(/^npx /, "")}`;
    const child = await startChild({ command: "bash", args: ["-c", command], cwd: this.#folder, env: this.#env });
    this.#servers.push(child);
    await child.line(ready);
  }

  async #stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const servers = this.#servers;
    this.#servers = [];
    for (const server of servers) {
      server.kill(signal);
      await server.exited;
    }
  }

  async #write(name: string, text: string): Promise<void> {
    const file = path.join(this.#folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }

  async #startServers(): Promise<void> {
    const [postgres, rabbitmq, redis] = await Promise.all([startPostgres(), startRabbitmq(), startRedis()]);
    for (const server of [postgres, rabbitmq, redis]) this.#resources.use(server);
    Object.assign(this.#env, { DATABASE_URL: postgres.url, AMQP_URL: rabbitmq.url, REDIS_URL: redis.url });
  }

  #withPorts(text: string): string {
    return [...this.#ports].reduce((changed, [shown, port]) => changed.replaceAll(shown, port), text);
  }
}

function patternOf(shown: string): RegExp {
  const lines = shown.trim().split("\n");
  return new RegExp(`^${lines.map((line) => line.split("…").map(escaped).join(".*")).join("\n")}$`);
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}
