// What the tests of a cluster's commands share: real servers, and a configuration in a file.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startClusterServers, temporaryFolder } from "@sluice/testing";
import { runSluice } from "./run-sluice.ts";

export interface ClusterUnderTest extends AsyncDisposable {
  readonly configFile: string;
  /** For a cluster of its own on these servers: a new database, and names of its own on RabbitMQ and Redis if there are. */
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
  const servers = resources.use(await startClusterServers());
  const folder = resources.use(await temporaryFolder());
  const configFile = join(folder.path, "sluice.config.ts");
  await writeFile(configFile, config);
  let count = 0;
  const owned = resources.move();
  return {
    configFile,
    async newEnv() {
      const no = (count += 1);
      return {
        ...servers.env,
        DATABASE_URL: await servers.postgres.createDatabase(`${name}_${no}`),
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
