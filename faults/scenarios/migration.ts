import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { parcelSource } from "../parcel.ts";
import { Sender } from "../sender.ts";
import { Stage } from "../stage.ts";
import { sumFigures } from "../figures.ts";

export const migration: Scenario = {
  name: "kill-migration",
  numbers: "23",
  fault: "killed inside a migration",
  isKill: true,
  play,
};

/** A migration runs once in a folder's life: each round has a folder of its own. */
async function play({ rounds, random }: PlayOptions): Promise<Played> {
  const played = [];
  const violations: string[] = [];
  let hits = 0;
  for (let round = 0; round < rounds; round += 1) {
    await using stage = await Stage.open();
    const sender = new Sender(stage.ledger, parcelSource(`migration-${round}`, random));
    await using killed = await stage.start({ crashAt: "migration" });
    if (killed === undefined) hits += 1;
    else violations.push("it listened before its migration was through");
    await sendSome(stage, sender);
    const finished = await stage.finish([sender]);
    played.push(finished.figures);
    violations.push(...finished.violations);
  }
  return { trials: rounds, hits, figures: sumFigures(played), areEffectsOnce: true, violations };
}

async function sendSome(stage: Stage, sender: Sender): Promise<void> {
  await using sluice = await stage.startAlive();
  const { signal } = new AbortController();
  await sender.send({ url: sluice.url, concurrency: 4, signal, newMax: 20 });
}
