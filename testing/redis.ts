import { once } from "node:events";
import { connect } from "node:net";
import type { Child, Exit } from "./child.ts";
import { lastingPort } from "./lasting-port.ts";
import { startServer } from "./start-server.ts";
import { findProgram } from "./system-program.ts";
import { temporaryFolder } from "./temporary-folder.ts";

export interface StartRedisOptions {
  /** As in redis.conf, for example `{ appendonly: "yes", appendfsync: "always" }`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Where it keeps its files; a temporary folder unless given. Give it, with the port, to start one again. */
  readonly folder?: string | undefined;
  readonly port?: number | undefined;
}

export interface Redis extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  output(): string;
  kill(signal: NodeJS.Signals): boolean;
}

/** Starts a redis-server of its own on a loopback port; resolves once it answers PING. Disposing stops it. */
export async function startRedis(options: StartRedisOptions = {}): Promise<Redis> {
  const program = findProgram({ program: "redis-server", debianPackage: "redis-server" });
  await using resources = new AsyncDisposableStack();
  const folder = options.folder ?? resources.use(await temporaryFolder()).path;
  const port = options.port ?? (await lastingPort());
  const settings = {
    port: String(port),
    bind: "127.0.0.1",
    dir: folder,
    save: "",
    ...options.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const child = resources.use(
    await startServer({
      command: program,
      args,
      ready: /Ready to accept connections/,
      busy: /Address already in use/,
    }),
  );
  await ping(port);
  return redisOf(child, { port, folder }, resources.move());
}

function redisOf(
  child: Child,
  { port, folder }: { port: number; folder: string },
  resources: AsyncDisposableStack,
): Redis {
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    folder,
    pid: child.pid,
    exited: child.exited,
    output: () => child.output(),
    kill: (signal) => child.kill(signal),
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

async function ping(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  socket.write("PING\r\n");
  const [answer] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  if (!/^(\+PONG|-NOAUTH)/.test(answer.toString()))
    throw new Error(`redis-server answered PING with ${answer.toString()}`);
}
