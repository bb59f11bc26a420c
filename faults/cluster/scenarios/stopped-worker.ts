// Workers stop breathing with deliveries under way, and come back when their claims are somebody else's.
import { setTimeout as delay } from "node:timers/promises";
import { Client } from "pg";
import type { ClusterStage } from "../cluster-stage.ts";
import { underLoad, type ClusterScenario, type Fault, type Field } from "../cluster-scenario.ts";
import { whenTrue } from "../observe.ts";

export const stoppedWorker: ClusterScenario = {
  name: "worker-stopped",
  numbers: "17",
  fault: "workers stopped (SIGSTOP) past their lease with deliveries under way, then resumed",
  play: (options) =>
    underLoad(options, { name: "stopped", mode: "honours-key", isRedeliveryMeant: true, restMs: 100 }, stop),
};

const handlerMs = 2_000;
const busyMsMax = 30_000;
const leaseMsMax = 30_000;
const lateMsMax = 15_000;
const late = /a late outcome was refused/;

async function stop({ stage, random, wrong }: Field): Promise<Fault> {
  await stage.behave(`wait:${handlerMs}`);
  if ((await whenTrue(() => haveAllBegun(stage), busyMsMax)) === undefined)
    wrong.push("a worker has nothing under way");
  await delay(0.5 * handlerMs);
  if (!(await haveAllBegun(stage))) wrong.push("a worker has nothing under way any more");
  const breathing = stage.workers[random.between(0, stage.workers.length - 1)];
  const stopped = stage.workers.filter((worker) => worker !== breathing);
  for (const worker of stopped) worker.kill("SIGSTOP");
  await stage.behave("work");
  const repeated = await whenTrue(() => hasRepeats(stage.log("starts").map(({ id }) => id)), leaseMsMax);
  if (repeated === undefined) wrong.push(`nothing was delivered again within ${leaseMsMax} ms`);
  await delay(1_000); // all that was given back
  for (const worker of stopped) worker.kill("SIGCONT");
  const refused = await Promise.all(
    stopped.map(async (worker) => (await whenTrue(() => late.test(worker.output), lateMsMax)) !== undefined),
  );
  const hits = refused.filter(Boolean).length;
  if (hits < stopped.length) wrong.push(`${hits} of ${stopped.length} resumed workers had late outcomes refused`);
  return { trials: stopped.length, hits };
}

async function haveAllBegun({ databaseUrl, workers }: ClusterStage): Promise<boolean> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query("SELECT count(DISTINCT member)::int AS busy FROM sluice.running");
    return rows[0].busy === workers.length;
  } finally {
    await client.end();
  }
}

function hasRepeats(ids: readonly string[]): boolean {
  return new Set(ids).size < ids.length;
}
