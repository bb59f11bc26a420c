import { parcelOf, parcelSource } from "../../parcel.ts";
import type { Played } from "../../scenario.ts";
import { sendOne, Sender } from "../../sender.ts";
import { poisonConfig } from "../../stage.ts";
import type { ClusterPlayOptions, ClusterScenario } from "../cluster-scenario.ts";
import { ClusterStage } from "../cluster-stage.ts";
import { order } from "../observe.ts";

export const poison: ClusterScenario = {
  name: "poison",
  numbers: "14",
  fault: "one request among 1,000 good ones kills its worker, again and again",
  isKill: true,
  play,
};

/** Crashes in flight at which the engine gives a request up. */
const crashesMax = 5;
const good = 1_000;

async function play({ servers, random, logFolder }: ClusterPlayOptions): Promise<Played> {
  await using stage = await ClusterStage.open({ servers, configFile: poisonConfig, logFolder });
  const [url] = stage.urls;
  await order(url, "pause");
  const sender = new Sender(stage.ledger, parcelSource("good", random));
  const { signal } = new AbortController();
  const sending = { url: stage.urls, concurrency: 8, signal };
  const before = random.between(0, good);
  await sender.send({ ...sending, newMax: before });
  const answer = await sendOne({ url, ledger: stage.ledger, parcel: parcelOf("poison", Buffer.from("poison")) });
  await sender.send({ ...sending, newMax: good - before });
  await order(url, "resume");
  const { figures, violations } = await stage.finish([sender]);
  const { kills } = stage;
  if (kills !== crashesMax) violations.push(`it killed ${kills} workers, and is found out after ${crashesMax}`);
  if (figures.dead !== 1) violations.push(`${figures.dead} are dead, of one poison`);
  if (answer.kind !== "accepted") violations.push("the poison was not accepted");
  // The good ones in flight beside the poison's first crashes run again: the effect is in the process that died.
  return { trials: crashesMax, hits: kills, figures, areEffectsOnce: false, violations };
}
