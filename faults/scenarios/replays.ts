// Dead requests that are run again: killed inside a replay, and replayed twice at once.
import { isBrokenOff } from "../readings.ts";
import { parcelSource } from "../parcel.ts";
import type { Random } from "../../packages/sluice/src/core/seeded-random.ts";
import type { Played, PlayOptions, Scenario } from "../scenario.ts";
import { Sender } from "../sender.ts";
import { Stage, stopGracefully } from "../stage.ts";

export const replays: readonly Scenario[] = [
  { name: "kill-replay", numbers: "24", fault: "killed inside a replay", isKill: true, play: playKilled },
  {
    name: "replay-twice",
    numbers: "24",
    fault: "each dead request is replayed three times at once, and in bulk",
    play: playTwice,
  },
];

const deadPerRound = 20;

async function playKilled({ rounds, random }: PlayOptions): Promise<Played> {
  await using stage = await Stage.open();
  const sender = new Sender(stage.ledger, parcelSource("replay", random));
  let hits = 0;
  for (let round = 0; round < rounds; round += 1) {
    const ids = await bury(stage, sender);
    const isBulk = random.next() < 0.5;
    await using sluice = await stage.start({ crashAt: `replay:${isBulk ? 1 : random.between(1, deadPerRound)}` });
    if (isBulk) await replayAll(stage);
    else for (const id of ids) await replay(stage, id);
    if (sluice !== undefined && (await sluice.exited).signal === "SIGKILL") hits += 1;
  }
  await replayRest(stage);
  const { figures, violations } = await stage.finish([sender]);
  if (figures.dead > 0) violations.push(`${figures.dead} are dead after the replay of all`);
  return { trials: rounds, hits, figures, areEffectsOnce: true, violations };
}

async function playTwice({ rounds, random }: PlayOptions): Promise<Played> {
  // Without keys honoured: every run of the handler shows as an effect.
  await using stage = await Stage.open({ mode: "plain" });
  const sender = new Sender(stage.ledger, parcelSource("twice", random));
  let hits = 0;
  for (let round = 0; round < rounds; round += 1) {
    const ids = await bury(stage, sender);
    await using sluice = await stage.startAlive();
    const statuses = await Promise.all(shuffled([...ids, ...ids, ...ids], random).map((id) => replay(stage, id)));
    await replayAll(stage);
    hits += statuses.filter((status) => status === 409).length;
    await stopGracefully(sluice); // SIGKILL here would run a request again, and rightly so
  }
  const { figures, violations } = await stage.finish([sender]);
  if (figures.dead > 0) violations.push(`${figures.dead} are dead after the replay of all`);
  return { trials: rounds, hits, figures, areEffectsOnce: true, violations };
}

/** Sends a few that B rejects and waits until they are dead. */
async function bury(stage: Stage, sender: Sender): Promise<readonly string[]> {
  await stage.behave("reject");
  await using _sluice = await stage.startAlive();
  const before = sender.ids.length;
  const { signal } = new AbortController();
  await sender.send({ url: stage.url, concurrency: 4, signal, newMax: deadPerRound });
  const ids = sender.ids.slice(before);
  for (const id of ids) await fetch(`${stage.url}/v1/requests/${id}`, { headers: { prefer: "wait=30" } });
  await stage.behave("work");
  return ids;
}

async function replayRest(stage: Stage): Promise<void> {
  await using _sluice = await stage.startAlive();
  await replayAll(stage);
}

function replay(stage: Stage, id: string): Promise<number | undefined> {
  return post(`${stage.url}/v1/requests/${id}/replay`);
}

async function replayAll(stage: Stage): Promise<void> {
  await post(`${stage.url}/v1/queues/orders/replay`, JSON.stringify({ limit: 1_000 }));
}

/** The answer's status; undefined when the process died on it. */
async function post(url: string, body?: string): Promise<number | undefined> {
  try {
    const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, ...(body !== undefined && { body }) });
    await response.arrayBuffer();
    return response.status;
  } catch (error) {
    if (!isBrokenOff(error)) throw error;
    return undefined;
  }
}

function shuffled<Item>(items: readonly Item[], random: Random): readonly Item[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((left, right) => left.at - right.at)
    .map(({ item }) => item);
}
