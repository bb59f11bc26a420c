// Redis with a replica and three Sentinels: the primary is killed, and they promote the replica. Receipts and deliveries
// do not wait for that; the shared rate and the notices find the new primary.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { findProgram, startRedis, startRedisSentinels, type Redis } from "@sluice/testing";
import { whenClear, whenTrue } from "../../cluster/observe.ts";
import { Server } from "../../cluster/servers.ts";
import type { Played } from "../../scenario.ts";
import { recover, underFailover, type FailoverPlayOptions, type FailoverScenario, type Field } from "../failover.ts";

const execute = promisify(execFile);
const promotedMsMax = 30_000;
const followsMsMax = 60_000;
const clearMsMax = 30_000;

export const cache: FailoverScenario = {
  name: "redis-sentinel",
  needs: ["redis"],
  fault: "the primary Redis killed, its replica promoted by three Sentinels",
  roundsMax: 5,
  play,
};

async function play(options: FailoverPlayOptions): Promise<Played> {
  await using resources = new AsyncDisposableStack();
  const sentinels = resources.use(await startRedisSentinels());
  const { url, primary, replica } = sentinels;
  const redis = new Server<Redis>({ folder: "", port: 0 }, () =>
    Promise.resolve({ ...primary, url, [Symbol.asyncDispose]: () => Promise.resolve() }),
  );
  return await underFailover(options, { name: "redis-sentinel", servers: { redis } }, (field) =>
    killAgainAndAgain(field, [primary, replica], resources),
  );
}

async function killAgainAndAgain(
  field: Field,
  [first, second]: readonly [Redis, Redis],
  resources: AsyncDisposableStack,
): Promise<void> {
  const { stage, sender, random, rounds, wrong } = field;
  let [primary, replica] = [first, second];
  for (let round = 0; round < rounds; round += 1) {
    await sender.acceptedMore(random.between(10, 100));
    const { folder, port } = primary;
    await recover(field, async () => {
      primary.kill("SIGKILL");
      await primary.exited;
    });
    await until(replica, "role:master", promotedMsMax);
    wrong.push(...(await whenClear(stage.urls, clearMsMax)));
    const back = resources.use(await startRedis({ folder, port }));
    await until(back, "master_link_status:up", followsMsMax); // the Sentinels make it a replica
    [primary, replica] = [replica, back];
  }
}

async function until({ port }: Redis, line: string, msMax: number): Promise<void> {
  const program = findProgram({ program: "redis-cli", debianPackage: "redis-tools" });
  const isSo = async (): Promise<boolean> => {
    const { stdout } = await execute(program, ["-p", String(port), "INFO", "replication"]);
    return stdout.includes(line);
  };
  if ((await whenTrue(isSo, msMax)) === undefined) throw new Error(`Redis did not say ${line} within ${msMax} ms`);
}
