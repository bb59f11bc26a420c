import { parcelOf, parcelSource, type Parcel } from "../parcel.ts";
import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { isBrokenOff, readOutcomes } from "../readings.ts";
import { sendOne, Sender } from "../sender.ts";
import { poisonConfig, Stage } from "../stage.ts";

export const poison: Scenario = {
  name: "poison",
  numbers: "14",
  fault: "one request among the good ones kills its worker, again and again",
  isKill: true,
  play,
};

/** Crashes in flight at which the engine gives a request up. */
const crashesMax = 5;

async function play({ random, isShort }: PlayOptions): Promise<Played> {
  await using stage = await Stage.open({ configFile: poisonConfig });
  const good = isShort ? 200 : 1_000;
  const poisonId = await fill(stage, { next: parcelSource("good", random), good, at: random.between(0, good) });
  let hits = 1; // the one that ended the filling
  // A supervisor: starts it again until it stays.
  for (;;) {
    await using sluice = await stage.start();
    if (sluice !== undefined && (await isDrained(stage))) break;
    hits += 1;
    if (hits > crashesMax) break;
  }
  const { figures, violations } = await stage.finish([]);
  if (hits !== crashesMax) violations.push(`it was killed ${hits} times, the poison is found out after ${crashesMax}`);
  if (figures.dead !== 1) violations.push(`${figures.dead} are dead, of one poison`);
  if (poisonId === undefined) violations.push("the poison was not accepted");
  // The good ones in flight beside the poison's first crashes run again: the effect is in the process that died.
  return { trials: crashesMax, hits, figures, areEffectsOnce: false, violations };
}

/** Sends them all while the queue is paused, so that the poison is among the others. */
async function fill(
  stage: Stage,
  { next, good, at }: { readonly next: () => Parcel; readonly good: number; readonly at: number },
): Promise<string | undefined> {
  await using sluice = await stage.startAlive();
  await fetch(`${sluice.url}/v1/queues/orders/pause`, { method: "POST" });
  const sender = new Sender(stage.ledger, next);
  const { signal } = new AbortController();
  const sending = { url: sluice.url, concurrency: 8, signal };
  await sender.send({ ...sending, newMax: at });
  const answer = await sendOne({
    url: sluice.url,
    ledger: stage.ledger,
    parcel: parcelOf("poison", Buffer.from("poison")),
  });
  await sender.send({ ...sending, newMax: good - at });
  await fetch(`${sluice.url}/v1/queues/orders/resume`, { method: "POST" });
  await sluice.exited; // the first crash
  return answer.kind === "accepted" ? answer.id : undefined;
}

/** Waits until the backlog is worked off; false when the process dies before. */
async function isDrained(stage: Stage): Promise<boolean> {
  try {
    await readOutcomes(stage.url);
    return true;
  } catch (error) {
    if (!isBrokenOff(error)) throw error;
    return false;
  }
}
