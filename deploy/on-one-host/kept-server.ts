// A server that is started again when it ends by itself: killed, out of memory. It owns the process.
import type { Exit } from "@sluice/testing";

interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly url: string;
  readonly exited: Promise<Exit>;
}

export interface KeptServer extends AsyncDisposable {
  readonly url: string;
  /** Rejects when it cannot be kept running. */
  readonly lost: Promise<never>;
}

/** One that twice in a row does not stay up for this long is not started again. */
const livedMsMin = 5_000;

/** `start` starts it on the same folder and port each time. */
export async function keepServer(name: string, start: () => Promise<Running>): Promise<KeptServer> {
  let server = await startNamed(name, start);
  let isClosing = false;
  const lost = keep();
  lost.catch(() => {}); // told to whoever looks
  return {
    url: server.url,
    lost,
    async [Symbol.asyncDispose]() {
      isClosing = true;
      await server[Symbol.asyncDispose]();
    },
  };

  async function keep(): Promise<never> {
    let shortLives = 0;
    for (let startedAt = performance.now(); ; startedAt = performance.now()) {
      const { code, signal } = await server.exited;
      if (isClosing) return new Promise<never>(() => {});
      const ended = `${name} (process ${server.pid}) ended by itself (${signal ?? code})`;
      shortLives = performance.now() - startedAt < livedMsMin ? shortLives + 1 : 0;
      if (shortLives === 2) throw new Error(`${ended} again: see its log`);
      console.error(`up:cluster: ${ended}: it is started again`);
      await server[Symbol.asyncDispose](); // what belongs to it, such as RabbitMQ's epmd
      server = await startNamed(name, start);
      if (isClosing) await server[Symbol.asyncDispose]();
    }
  }
}

async function startNamed(name: string, start: () => Promise<Running>): Promise<Running> {
  const server = await start();
  console.log(`${name} is process ${server.pid}`);
  return server;
}
