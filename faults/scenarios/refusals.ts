import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parcelSource } from "../parcel.ts";
import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { Sender } from "../sender.ts";
import { Stage, stopGracefully } from "../stage.ts";

export const refusals: Scenario = {
  name: "start-refusals",
  numbers: "23",
  fault: "started on a folder with an owner, with a newer schema, with an unknown kill point",
  play,
};

async function play({ random }: PlayOptions): Promise<Played> {
  await using stage = await Stage.open();
  const sender = new Sender(stage.ledger, parcelSource("refusals", random));
  const reasons = [
    await whyRefused(stage, { reason: /SLUICE_CRASH_AT must be/, crashAt: "nowhere" }),
    await whileOwned(stage, sender),
    await withNewerSchema(stage),
  ];
  const { figures, violations } = await stage.finish([sender]);
  const missing = reasons.filter((reason) => reason !== undefined);
  const hits = reasons.length - missing.length;
  return { trials: reasons.length, hits, figures, areEffectsOnce: true, violations: [...missing, ...violations] };
}

/** The owner goes on undisturbed. */
async function whileOwned(stage: Stage, sender: Sender): Promise<string | undefined> {
  await using owner = await stage.startAlive();
  const { signal } = new AbortController();
  const load = { url: stage.url, concurrency: 4, signal, newMax: 50 };
  const [why] = await Promise.all([
    whyRefused(stage, { reason: new RegExp(`in use by process ${owner.pid}\\b`) }),
    sender.send(load),
  ]);
  await stopGracefully(owner);
  return why;
}

async function withNewerSchema(stage: Stage): Promise<string | undefined> {
  const file = join(stage.dataFolder, "sluice.db");
  const version = setSchemaVersion(file, 999);
  try {
    return await whyRefused(stage, { reason: /schema 999/ });
  } finally {
    setSchemaVersion(file, version);
  }
}

/** The version before. */
function setSchemaVersion(file: string, version: number): number {
  const db = new DatabaseSync(file);
  const before = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  db.exec(`PRAGMA user_version = ${version}`);
  db.close();
  return before;
}

/** Starts it; undefined when it refused and said the reason, else what it did instead. */
async function whyRefused(
  stage: Stage,
  { reason, crashAt }: { readonly reason: RegExp; readonly crashAt?: string },
): Promise<string | undefined> {
  try {
    await using sluice = await stage.start({ crashAt });
    return sluice === undefined ? "it was killed" : `it started, where ${reason} was expected`;
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    return reason.test(said) ? undefined : `it refused without ${reason}: ${said}`;
  }
}
