// A Redis with a replica, and three Sentinels that promote it. It owns them all.
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import type { Child } from "./child.ts";
import { lastingPort } from "./lasting-port.ts";
import { type Redis, startRedis } from "./redis.ts";
import { startServer } from "./start-server.ts";
import { findProgram } from "./system-program.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface StartRedisSentinelsOptions {
  /** Of Redis and of the Sentinels; none unless given. */
  readonly password?: string | undefined;
}

export interface RedisSentinels extends AsyncDisposable {
  /** With all Sentinels. */
  readonly url: string;
  readonly primary: Redis;
  readonly replica: Redis;
  /** Ends a Sentinel: the first of the URL first. */
  killSentinel(): Promise<void>;
}

const execute = promisify(execFile);
const sentinelCount = 3;
const name = "mymaster";
const readyMsMax = 30_000;

/** Resolves once the Sentinels know each other and the replica, so that they can promote it. A dead primary is given up after 1 s. */
export async function startRedisSentinels({ password }: StartRedisSentinelsOptions = {}): Promise<RedisSentinels> {
  await using resources = new AsyncDisposableStack();
  const secret = password === undefined ? {} : { requirepass: password, masterauth: password };
  const fast = { "repl-ping-replica-period": "1", "repl-diskless-sync-delay": "0" };
  const primary = resources.use(await startRedis({ settings: { ...secret, ...fast } }));
  const replicaof = `127.0.0.1 ${primary.port}`;
  const replica = resources.use(await startRedis({ settings: { ...secret, ...fast, replicaof } }));
  const { path } = resources.use(await temporaryFolder());
  const sentinels: { readonly port: number; readonly child: Child }[] = [];
  for (let index = 0; index < sentinelCount; index += 1) {
    const port = await lastingPort();
    const configuration = configurationOf({ folder: join(path, String(index)), port, primary, password });
    sentinels.push({ port, child: resources.use(await startSentinel(join(path, String(index)), configuration)) });
  }
  const ports = sentinels.map(({ port }) => port);
  await Promise.all(ports.map((port) => knowsAll(port, password)));
  const login = password === undefined ? "" : `:${encodeURIComponent(password)}@`;
  const owned = resources.move();
  return {
    url: `redis+sentinel://${login}${ports.map((port) => `127.0.0.1:${port}`).join(",")}/${name}`,
    primary,
    replica,
    async killSentinel() {
      const sentinel = sentinels.shift();
      sentinel?.child.kill("SIGKILL");
      await sentinel?.child.exited;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface SentinelPlace {
  readonly folder: string;
  readonly port: number;
  readonly primary: Redis;
  readonly password: string | undefined;
}

function configurationOf({ folder, port, primary, password }: SentinelPlace): string {
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${folder}`,
    `sentinel monitor ${name} 127.0.0.1 ${primary.port} 2`,
    `sentinel down-after-milliseconds ${name} 1000`,
    `sentinel failover-timeout ${name} 4000`,
  ];
  if (password !== undefined) lines.push(`requirepass ${password}`, `sentinel auth-pass ${name} ${password}`);
  return `${lines.join("\n")}\n`;
}

/** It writes what it learns into its configuration. */
async function startSentinel(folder: string, configuration: string): Promise<Child> {
  const file = join(folder, "sentinel.conf");
  await mkdir(folder);
  await writeFile(file, configuration);
  return startServer({
    command: findProgram({ program: "redis-server", debianPackage: "redis-server" }),
    args: [file, "--sentinel"],
    ready: /\+monitor master/,
    busy: /Address already in use/,
  });
}

async function knowsAll(port: number, password: string | undefined): Promise<void> {
  const giveUp = AbortSignal.timeout(readyMsMax);
  for (;;) {
    const replicas = await askSentinel(port, password, "REPLICAS");
    const quorum = await askSentinel(port, password, "CKQUORUM");
    if (replicas.includes("127.0.0.1") && quorum.startsWith(`OK ${sentinelCount} usable Sentinels`)) return;
    giveUp.throwIfAborted();
    await delay(100);
  }
}

async function askSentinel(port: number, password: string | undefined, command: string): Promise<string> {
  const program = findProgram({ program: "redis-cli", debianPackage: "redis-tools" });
  const login = password === undefined ? {} : { REDISCLI_AUTH: password };
  const args = ["-p", String(port), "SENTINEL", command, name];
  const { stdout } = await execute(program, args, { env: { ...process.env, ...login } });
  return stdout;
}
