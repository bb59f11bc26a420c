// A Docker Engine of its own: data, socket and process are nobody else's. It owns the daemon, which ends by its process id.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { findProgram, startChild, type Child } from "@sluice/testing";

export interface Docker extends AsyncDisposable {
  readonly socket: string;
  /** Runs the `docker` command against this engine; resolves to what it printed. */
  run(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts a command that goes on, such as `events`. */
  follow(args: readonly string[]): Promise<Child>;
}

export interface RunOptions {
  /** For its standard input. */
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface StartDockerOptions {
  /** Where it keeps everything. Given again, it has the images of the last time. */
  readonly folder: string;
  /** Breaks off whatever command runs. */
  readonly signal?: AbortSignal;
}

const execute = promisify(execFile);
const outputBytesMax = 2 ** 26;
/** It gives its containers 15 s, and then some. */
const stopMsMax = 40_000;

export async function startDocker({ folder, signal }: StartDockerOptions): Promise<Docker> {
  const program = findProgram({ program: "dockerd", debianPackage: "docker.io", outsidePath: "/usr/sbin/dockerd" });
  // Of Debian 12 it comes with docker.io; from Debian 13 on it has a package of its own.
  const client = findProgram({ program: "docker", debianPackage: "docker-cli", outsidePath: "/usr/bin/docker" });
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "daemon.json"), "{}"); // not the machine's
  const socket = join(folder, "docker.sock");
  const daemon = await startChild({ command: program, args: argsOf(folder, socket) });
  try {
    await daemon.line(/API listen on .*docker\.sock/);
  } catch (error) {
    await stop(daemon);
    throw error;
  }
  // The user's own settings of the command, a context say, are not for this engine.
  const env = {
    DOCKER_HOST: `unix://${socket}`,
    DOCKER_CONFIG: folder,
    DOCKER_CONTEXT: undefined,
    DOCKER_BUILDKIT: "0",
  };
  const run: Docker["run"] = async (args, { input = "", env: more } = {}) => {
    const options = { env: { ...process.env, ...env, ...more }, maxBuffer: outputBytesMax, signal };
    const running = execute(client, args, options);
    running.child.stdin?.end(input);
    return (await running).stdout.trim();
  };
  return {
    socket,
    run,
    follow: (args) => startChild({ command: client, args, env }),
    [Symbol.asyncDispose]: () => stop(daemon),
  };
}

/** Containers are on the network of the daemon or on none: it needs no bridge, and leaves the packet filter alone. */
function argsOf(folder: string, socket: string): readonly string[] {
  return [
    `--data-root=${join(folder, "data")}`,
    `--exec-root=${join(folder, "exec")}`,
    `--pidfile=${join(folder, "docker.pid")}`,
    `--host=unix://${socket}`,
    `--config-file=${join(folder, "daemon.json")}`,
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
  ];
}

async function stop(daemon: Child): Promise<void> {
  const timer = setTimeout(() => daemon.kill("SIGKILL"), stopMsMax);
  daemon.kill("SIGTERM");
  await daemon.exited;
  clearTimeout(timer);
}
