// What the tests of a cluster's commands share: real servers, and a configuration in a file.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startPostgres, startRabbitmq, startRedis, temporaryFolder } from "@sluice/testing";
import { runSluice } from "./run-sluice.ts";

export interface ClusterUnderTest extends AsyncDisposable {
  readonly configFile: string;
  /** For a cluster of its own on these servers: a new database, and names of its own on RabbitMQ and Redis. */
  newEnv(): Promise<Record<string, string>>;
}

export interface ClusterUnderTestOptions {
  /** Begins the names of what the tests make. */
  readonly name: string;
  /** The source of the configuration. */
  readonly config: string;
}

/** As the configuration has to import it. */
export const sluiceEntry = JSON.stringify(new URL("../src/index.ts", import.meta.url).href);

export async function openClusterUnderTest({ name, config }: ClusterUnderTestOptions): Promise<ClusterUnderTest> {
  await using resources = new AsyncDisposableStack();
  const [postgres, rabbitmq, redis, folder] = await Promise.all([
    startPostgres().then((started) => resources.use(started)),
    startRabbitmq().then((started) => resources.use(started)),
    startRedis().then((started) => resources.use(started)),
    temporaryFolder().then((made) => resources.use(made)),
  ]);
  const configFile = join(folder.path, "sluice.config.ts");
  await writeFile(configFile, config);
  let count = 0;
  const owned = resources.move();
  return {
    configFile,
    async newEnv() {
      const no = (count += 1);
      return {
        DATABASE_URL: await postgres.createDatabase(`${name}_${no}`),
        AMQP_URL: rabbitmq.url,
        REDIS_URL: redis.url,
        SLUICE_PREFIX: `${name}-${no}`,
      };
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Makes the servers ready, as users do. */
export async function migrate(configFile: string, env: Readonly<Record<string, string>>): Promise<void> {
  const { exitCode, stderr } = await runSluice({ args: ["migrate", "--config", configFile], env });
  assert.equal(exitCode, 0, stderr);
}
