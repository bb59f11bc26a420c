// Owns the servers and the roles of a cluster on one host: servers first, then the schema, then the roles, and back
// in the opposite order once the process that asked for them lets go. A server that is killed is started again.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { lastingPort, sluiceCommand, startPostgres, startRabbitmq, startRedis } from "@sluice/testing";
import { catchErrors, type ClusterFlags } from "./flags.ts";
import { keepServer } from "./kept-server.ts";

const released = once(process, "disconnect");
process.exitCode = await catchErrors(() => supervise(JSON.parse(process.argv[2] ?? "{}") as ClusterFlags));
if (process.connected) process.disconnect(); // else it would wait to be let go

async function supervise(given: ClusterFlags): Promise<number> {
  const { data, config, port, gateways, workers } = given;
  await using servers = await startServers(resolve(data), given["only-postgres"]);
  const { env } = servers;
  const told = Object.entries(env).flatMap(([name, url]) => (url === "" ? [] : [`  export ${name}=${url}`]));
  console.log(["\nServers:", ...told, ""].join("\n"));
  const run = (...args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [sluiceCommand, ...args, "--config", config], {
      env: { SLUICE_LINGER: "0s", ...process.env, ...env }, // no proxy needs to notice
      stdio: ["ignore", "inherit", "inherit"],
    });
  const migrated = await endOf(run("migrate"));
  if (migrated !== 0) return migrated;
  const roles = [run("gateway", "--port", port, "--replicas", gateways), run("worker", "--replicas", workers)];
  const ends = roles.map(endOf);
  await using _pids = await writePids(join(data, "processes.json"), roles);
  // A role that ends by itself has said why, and takes the others along; so does a server that cannot be started again.
  const isLost = await Promise.race([released, ...ends, servers.lost]).then(
    () => false,
    (error: unknown) => tell(error),
  );
  for (const role of roles) role.kill("SIGTERM");
  return Math.max(isLost ? 1 : 0, ...(await Promise.all(ends)));
}

function tell(error: unknown): true {
  console.error(`up:cluster: ${error instanceof Error ? error.message : String(error)}`);
  return true;
}

/** For `sluice rehearse --kill gateway,worker --pids …`; the file is there for as long as the processes are. */
async function writePids(file: string, [gateway, worker]: readonly ChildProcess[]): Promise<AsyncDisposable> {
  await writeFile(file, `${JSON.stringify({ gateway: gateway?.pid, worker: worker?.pid })}\n`);
  return { [Symbol.asyncDispose]: () => rm(file) };
}

async function endOf(child: ChildProcess): Promise<number> {
  const [code] = (await once(child, "exit")) as [number | null];
  return code ?? 1;
}

interface Servers extends AsyncDisposable {
  /** What a command of Sluice needs to find them; empty for one that is left out, whatever this process inherited. */
  readonly env: Readonly<Record<string, string>>;
  /** Rejects when one of them ended and cannot be started again. */
  readonly lost: Promise<never>;
}

async function startServers(data: string, isPostgresAlone: boolean): Promise<Servers> {
  const ports = await portsOf(data);
  await using resources = new AsyncDisposableStack();
  const place = (name: keyof Ports): { folder: string; port: number } => ({
    folder: join(data, name),
    port: ports[name],
  });
  const postgres = resources.use(await keepServer("PostgreSQL", () => startPostgres(place("postgres"))));
  const env = { DATABASE_URL: postgres.url, AMQP_URL: "", REDIS_URL: "" };
  const lost = [postgres.lost];
  if (!isPostgresAlone) {
    const rabbitmq = resources.use(await keepServer("RabbitMQ", () => startRabbitmq(place("rabbitmq"))));
    await mkdir(place("redis").folder, { recursive: true });
    const redis = resources.use(await keepServer("Redis", () => startRedis(place("redis"))));
    Object.assign(env, { AMQP_URL: rabbitmq.url, REDIS_URL: redis.url });
    lost.push(rabbitmq.lost, redis.lost);
  }
  const owned = resources.move();
  return {
    env,
    lost: Promise.race(lost),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Ports = Readonly<Record<"postgres" | "rabbitmq" | "redis", number>>;

/** The same at each start: RabbitMQ's node, and so its data, is named after its port. */
async function portsOf(data: string): Promise<Ports> {
  const file = join(data, "ports.json");
  if (existsSync(file)) return JSON.parse(await readFile(file, "utf8")) as Ports;
  const ports: Ports = { postgres: await lastingPort(), rabbitmq: await lastingPort(), redis: await lastingPort() };
  await mkdir(data, { recursive: true });
  await writeFile(file, `${JSON.stringify(ports)}\n`);
  return ports;
}
