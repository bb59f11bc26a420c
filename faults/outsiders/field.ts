// The processes that outsiders are let loose on, and that must live.
import { deepEqual } from "node:assert/strict";
import { setMaxListeners } from "node:events";
import {
  sluiceCommand,
  startChild,
  startPostgres,
  startRabbitmq,
  startRedis,
  startSluice,
  startSluiceGateway,
  startSluiceWorker,
  temporaryFolder,
  type Child,
} from "@sluice/testing";

export interface Field extends AsyncDisposable {
  readonly url: string;
  readonly children: readonly Child[];
  /** Aborts when one of them ends. */
  readonly gone: AbortSignal;
}

export interface FieldOptions {
  readonly configFile: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export async function openEmbedded(options: FieldOptions): Promise<Field> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  const sluice = opened.use(await startSluice({ dataFolder: folder.path, ...options }));
  return fieldOf(sluice.url, [sluice], opened.move());
}

export async function openCluster({ configFile, env: more }: FieldOptions): Promise<Field> {
  await using opened = new AsyncDisposableStack();
  const [postgres, rabbitmq, redis] = await Promise.all([
    startPostgres().then((started) => opened.use(started)),
    startRabbitmq().then((started) => opened.use(started)),
    startRedis().then((started) => opened.use(started)),
  ]);
  const env = { DATABASE_URL: postgres.url, AMQP_URL: rabbitmq.url, REDIS_URL: redis.url, ...more };
  const args = [sluiceCommand, "migrate", "--config", configFile];
  await using migrate = await startChild({ command: process.execPath, args, env });
  deepEqual(await migrate.exited, { code: 0, signal: null }, migrate.output());
  const gateway = opened.use(await startSluiceGateway({ configFile, env }));
  const worker = opened.use(await startSluiceWorker({ configFile, env }));
  return fieldOf(gateway.url, [gateway, worker], opened.move());
}

function fieldOf(url: string, children: readonly Child[], owned: AsyncDisposableStack): Field {
  const gone = new AbortController();
  setMaxListeners(0, gone.signal);
  for (const child of children)
    void child.exited.then((end) =>
      gone.abort(new Error(`a process ended: ${JSON.stringify(end)}\n${child.output()}`)),
    );
  return { url, children, gone: gone.signal, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
