import { Client } from "pg";
import { ClusterStage } from "../cluster/cluster-stage.ts";
import { wrongEnds } from "../cluster/member.ts";
import { whenTrue } from "../cluster/observe.ts";
import { Servers } from "../cluster/servers.ts";
import type { DayStage, DayStageOptions } from "./day-stage.ts";
import { dayConfig } from "./embedded-stage.ts";
import { memberVictim, serverVictim } from "./victim.ts";

/** Hints are acknowledged in batches, and RabbitMQ counts its queues every few seconds. */
const emptyMsMax = 60_000;
const workers = [1, 2, 3];

/** Two gateways and three workers on a PostgreSQL, a RabbitMQ and a Redis of their own. */
export async function openClusterStage({ folder, ratePerHour }: DayStageOptions): Promise<DayStage> {
  await using resources = new AsyncDisposableStack();
  const servers = resources.use(await Servers.open());
  const { postgres, rabbitmq, redis } = servers;
  const env = { DAY_FOLDER: folder, DAY_RATE: `${ratePerHour}/h` };
  const stage = resources.use(
    await ClusterStage.open({
      servers,
      configFile: dayConfig,
      mode: "plain",
      workerEnv: Object.fromEntries(workers.map((number) => [number, env])),
      logFolder: undefined,
    }),
  );
  const depthSeen = async (): Promise<string | undefined> => {
    const depth = await stage.brokerDepth();
    const isEmpty = depth.size === 2 && [...depth.values()].every((messages) => messages === 0);
    return isEmpty ? undefined : `RabbitMQ holds hints, or has not both queues: ${JSON.stringify([...depth])}`;
  };
  const owned = resources.move();
  return {
    urls: stage.urls,
    victims: [
      ...stage.members.map((member) => memberVictim(member.name, member)),
      serverVictim("PostgreSQL", postgres),
      serverVictim("RabbitMQ", rabbitmq),
      serverVictim("Redis", redis),
    ],
    versions: async () => ({
      PostgreSQL: await postgresVersion(stage.databaseUrl),
      RabbitMQ: rabbitmq.now.version,
      Redis: /version=([\d.]+)/i.exec(redis.now.output())?.[1] ?? "unknown",
    }),
    wrongEnds: () => stage.members.flatMap(wrongEnds),
    async leftovers() {
      let left: string | undefined;
      await whenTrue(async () => (left = await depthSeen()) === undefined, emptyMsMax);
      return left === undefined ? [] : [left];
    },
    async stop() {
      await Promise.all(stage.members.map((member) => member.stop()));
      const left = await depthSeen(); // with what RabbitMQ was handed back from those who ended
      return [...stage.members.flatMap(wrongEnds), ...(left === undefined ? [] : [left])];
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function postgresVersion(connectionString: string): Promise<string> {
  const client = new Client({ connectionString });
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>("SHOW server_version");
  await client.end();
  return rows[0]?.server_version.split(" ")[0] ?? "unknown";
}
