// The power goes again and again while a client sends: SIGKILL leaves the page cache whole, this takes from the disk what
// was not synced. See docs/power-loss.md.
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { temporaryFolder } from "@sluice/testing";
import { parcelSource } from "../parcel.ts";
import { PowerSupply, type Loss, type Survival } from "../power/power-supply.ts";
import type { Random } from "../../packages/sluice/src/core/seeded-random.ts";
import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { Sender } from "../sender.ts";
import { Stage } from "../stage.ts";

interface PowerPlan {
  readonly name: string;
  readonly fault: string;
  readonly survival: (random: Random) => Survival;
}

const plans: readonly PowerPlan[] = [
  {
    name: "power-loss",
    fault: "the power goes at any moment, and all that was not synced is gone",
    survival: () => ({ kind: "dropped" }),
  },
  {
    name: "power-loss-torn",
    fault: "the power goes at any moment, and of what was not synced some pages are on the disk",
    survival: (random) => ({ kind: "torn", random }),
  },
];

export const powerLosses: readonly Scenario[] = plans.map(({ name, fault, survival }) => ({
  name,
  numbers: "20",
  fault,
  isKill: true,
  play: (options) => play(name, survival(options.random), options),
}));

const concurrency = 8;
const newPerLifeMax = 2_000;
const dataFolder = "data";

async function play(name: string, survival: Survival, { rounds, random }: PlayOptions): Promise<Played> {
  await using folder = await temporaryFolder();
  await using stage = await Stage.open({ dataFolder: join(folder.path, dataFolder) });
  const sender = new Sender(stage.ledger, parcelSource(name, random));
  await using power = await PowerSupply.open({
    folder: stage.dataFolder,
    journalFolder: join(folder.path, "journal"),
    namesDurableBy: "folder-sync",
  });
  const violations: string[] = [];
  let hits = 0;
  for (let life = 0; life < rounds; life += 1) {
    await liveUntilDark(stage, { sender, power, random, moment: momentOf(life, random) });
    const loss = power.restore(survival);
    if (isHit(loss)) hits += 1;
    if (loss.calls === 0) violations.push("the shim saw no call: the process ran without it");
  }
  const { figures, violations: others } = await stage.finish([sender]);
  if (figures.dead > 0) violations.push(`${figures.dead} requests are dead, and B rejected none`);
  return { trials: rounds, hits, figures, areEffectsOnce: true, violations: [...violations, ...others] };
}

/** A loss of power that found the store synced took nothing of it. */
function isHit({ files, names }: Loss): boolean {
  return [...files, ...names].some((path) => basename(path).startsWith("sluice.db"));
}

interface Life {
  readonly sender: Sender;
  readonly power: PowerSupply;
  readonly random: Random;
  readonly moment: Moment;
}

/** Sends until the power has gone, and the process with it. */
async function liveUntilDark(stage: Stage, { sender, power, random, moment }: Life): Promise<void> {
  const env = moment.kind === "sync" ? power.envUntilSync(moment.file, moment.nth) : power.env;
  await using sluice = await stage.start({ env });
  if (sluice === undefined) return; // it was dark before it listened
  const gone = new AbortController();
  const sending = sender.send({ url: stage.url, concurrency, signal: gone.signal, newMax: newPerLifeMax });
  const goal = moment.kind === "sync" ? sending : sender.acceptedMore(random.between(20, 600));
  await Promise.race([goal, sluice.exited, sending]);
  await delay(random.between(0, 30));
  power.cut();
  sluice.kill("SIGKILL");
  await sluice.exited;
  gone.abort();
  await sending;
}

/** When the power goes: in the nth sync of a file or folder, or at any time. */
type Moment = { readonly kind: "sync"; readonly file: string; readonly nth: number } | { readonly kind: "any" };

/** The first life's is one that is sure to find something unsynced. */
function momentOf(life: number, random: Random): Moment {
  const commit: Moment = { kind: "sync", file: "sluice.db-wal", nth: random.between(5, 300) };
  const checkpoint: Moment = { kind: "sync", file: "sluice.db", nth: 1 };
  const start: Moment = { kind: "sync", file: random.pick(["sluice.db-wal", dataFolder]), nth: random.between(1, 3) };
  return life === 0 ? commit : random.pick([commit, commit, checkpoint, start, { kind: "any" }]);
}
