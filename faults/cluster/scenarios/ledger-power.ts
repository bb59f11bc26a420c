// The power goes under PostgreSQL: what its processes had not synced is gone. See docs/power-loss.md.
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { lastingPort, startPostgres, temporaryFolder } from "@sluice/testing";
import { PowerSupply, type Survival } from "../../power/power-supply.ts";
import type { Random } from "../../../packages/sluice/src/core/seeded-random.ts";
import {
  underLoad,
  type ClusterPlayOptions,
  type ClusterScenario,
  type Fault,
  type Field,
} from "../cluster-scenario.ts";
import { whenClear } from "../observe.ts";
import { Server } from "../servers.ts";
import type { Played } from "../../scenario.ts";

export const ledgerPower: ClusterScenario = {
  name: "postgres-power-loss",
  numbers: "20",
  fault: "the power goes under PostgreSQL, and what was not synced is gone, or gone in part",
  isLong: true,
  play,
};

const lossesMax = 6;
const clearMsMax = 30_000;

async function play(options: ClusterPlayOptions): Promise<Played> {
  await using folder = await temporaryFolder();
  const place = { folder: folder.path, port: await lastingPort() };
  await makeStore(place);
  await using power = await PowerSupply.open({
    folder: join(place.folder, "data"),
    journalFolder: join(place.folder, "power"),
    namesDurableBy: "file-sync",
  });
  await using postgres = new Server(place, (place) => startPostgres({ ...place, env: power.env }));
  const servers = options.servers.with({ postgres });
  // Its crash forgets the claims: what was under way may run again.
  return await underLoad({ ...options, servers }, { name: "ledger-power", mode: "honours-key", restMs: 20 }, (field) =>
    cutAgainAndAgain(field, power),
  );
}

/** Files that were there before the power is watched are as durable as they are. */
async function makeStore(place: { readonly folder: string; readonly port: number }): Promise<void> {
  await using _postgres = await startPostgres(place);
}

async function cutAgainAndAgain(
  { stage, servers, sender, random, rounds, wrong }: Field,
  power: PowerSupply,
): Promise<Fault> {
  const trials = Math.min(rounds, lossesMax);
  let hits = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    await sender.acceptedMore(random.between(50, 500));
    await delay(random.between(0, 50));
    power.cut();
    servers.postgres.now.killAll("SIGKILL"); // one that waits for a lock of another would wait for ever
    await servers.postgres.kill();
    const loss = power.restore(survivalOf(trial, random));
    if (loss.pagesLost > 0) hits += 1;
    if (loss.syncs === 0) wrong.push("the shim saw no sync: PostgreSQL ran without it");
    await servers.postgres.up();
    wrong.push(...(await whenClear(stage.urls, clearMsMax)));
  }
  return { trials, hits };
}

function survivalOf(trial: number, random: Random): Survival {
  return trial % 2 === 0 ? { kind: "dropped" } : { kind: "torn", random };
}
