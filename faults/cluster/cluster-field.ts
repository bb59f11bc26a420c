import { Client } from "pg";
import { handlerConfig, memberVictim, resultsRead, type Field, type FieldSetting, type FieldVictim } from "../field.ts";
import { ClusterStage, type ClusterStageOptions } from "./cluster-stage.ts";
import type { Running, Server } from "./servers.ts";

/** Gateways and three workers, or gateways and two of `sluice autoscale --platform process` whose the workers are. */
export async function openClusterField(
  { servers, logFolder }: Pick<ClusterStageOptions, "servers" | "logFolder">,
  { queue = {}, retention = "7d", isScaled = false, isLedgerKept }: FieldSetting = {},
): Promise<Field> {
  let kept = retention;
  const { min, max, maxWait, hold } = (queue["scaling"] ?? {}) as Readonly<Record<string, string | number>>;
  const goal = ["--min", String(min), "--max", String(max), "--max-wait", String(maxWait), "--hold", String(hold)];
  const autoscalerArgs = ["--platform", "process", "--every", "1s", ...goal];
  const stage = await ClusterStage.open({
    servers,
    logFolder,
    configFile: handlerConfig,
    isLedgerKept,
    env: { FAULTS_QUEUE: JSON.stringify(queue) },
    args: () => ["--retention", kept],
    ...(isScaled && { workers: 0, autoscalers: 2, autoscalerArgs }),
  });
  const { postgres, rabbitmq, redis, has } = servers;
  return {
    urls: stage.urls,
    ledger: stage.ledger,
    folder: stage.folder,
    members: stage.members,
    victims: [
      ...stage.members.map(memberVictim),
      serverVictim("PostgreSQL", postgres),
      ...(has.rabbitmq ? [serverVictim("RabbitMQ", rabbitmq)] : []),
      ...(has.redis ? [serverVictim("Redis", redis)] : []),
    ],
    scalers: stage.autoscalers,
    versions: async () => ({
      PostgreSQL: await postgresVersion(stage.databaseUrl),
      ...(has.rabbitmq && { RabbitMQ: rabbitmq.now.version }),
      ...(has.redis && { Redis: /version=([\d.]+)/i.exec(redis.now.output())?.[1] ?? "unknown" }),
    }),
    async restart(keptFromNow) {
      kept = keptFromNow;
      await Promise.all(stage.members.map((member) => member.restart()));
    },
    finish: ({ senders = [], resultsMax = resultsRead } = {}) => stage.finish(senders, { resultsMax }),
    [Symbol.asyncDispose]: () => stage[Symbol.asyncDispose](),
  };
}

/** It is started again on its folder and its port. */
function serverVictim<Kind extends Running>(name: string, server: Server<Kind>): FieldVictim {
  let isUp = true;
  return {
    name,
    async kill() {
      isUp = false;
      await server.kill();
      await server.up();
      isUp = true;
    },
    get pid() {
      return isUp ? server.now.pid : undefined;
    },
  };
}

async function postgresVersion(connectionString: string): Promise<string> {
  const client = new Client({ connectionString });
  await client.connect();
  const { rows } = await client.query<{ server_version: string }>("SHOW server_version");
  await client.end();
  return rows[0]?.server_version.split(" ")[0] ?? "unknown";
}
