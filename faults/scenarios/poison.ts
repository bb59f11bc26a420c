import { order } from "../cluster/observe.ts";
import { drained, type Field, type FieldSetting } from "../field.ts";
import { parcelOf, parcelSource } from "../parcel.ts";
import { isBrokenOff } from "../readings.ts";
import type { Played, PlayOptions } from "../scenario.ts";
import { sendOne, Sender } from "../sender.ts";

export const poisonFault = "one request among the good ones kills its worker, again and again";

/** Crashes in flight at which the engine gives a request up. */
const crashesMax = 5;
const concurrency = 8;
const drainMsMax = 60_000;

export async function playPoison(
  open: (setting: FieldSetting) => Promise<Field>,
  { random, isShort }: PlayOptions,
): Promise<Played> {
  await using field = await open({ queue: { concurrency } });
  const { urls, ledger } = field;
  const [url] = urls;
  const good = isShort ? 200 : 1_000;
  await order(url, "pause");
  const sender = new Sender(ledger, parcelSource("good", random));
  const { signal } = new AbortController();
  const sending = { url: urls, concurrency: 8, signal };
  const before = random.between(0, good);
  await sender.send({ ...sending, newMax: before });
  const answer = await sendOne({ url, ledger, parcel: parcelOf("poison", Buffer.from("poison")) });
  await sender.send({ ...sending, newMax: good - before });
  await order(url, "resume").catch(passIfBroken);
  const left = await drained(field, good + 1, drainMsMax);
  const { figures, violations } = await field.finish({ senders: [sender] });
  const kills = field.members.reduce((sum, member) => sum + member.kills, 0);
  if (kills !== crashesMax) violations.push(`it killed ${kills} workers, and is found out after ${crashesMax}`);
  if (left > 0) violations.push(`${left} were in the backlog after ${drainMsMax} ms`);
  if (figures.dead !== 1) violations.push(`${figures.dead} are dead, of one poison`);
  if (answer.kind !== "accepted") violations.push("the poison was not accepted");
  // The good ones in flight beside the poison's first crashes run again: the effect is in the process that died.
  return { trials: crashesMax, hits: kills, figures, areEffectsOnce: false, violations };
}

/** The process may have died of the poison before it answered. */
function passIfBroken(error: unknown): void {
  if (!isBrokenOff(error)) throw error;
}
