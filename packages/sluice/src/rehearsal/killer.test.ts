import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../core/clock.ts";
import { seededRandom } from "../core/seeded-random.ts";
import { killOften, killPlan, type Kill, type Victim } from "./killer.ts";

const victim = (name: string, kill: Victim["kill"] = async () => {}): Victim => ({ name, kill });
const planned = (seed: number) => {
  const victims = [victim("gateway"), victim("worker")];
  const plan = killPlan({ victims, kills: 21, withinMs: 10_000, random: seededRandom(seed, "kills") });
  return plan.map(({ victim: { name }, atMs }) => ({ name, atMs }));
};

test("a seed fixes who is killed when", () => {
  assert.deepEqual(planned(1), planned(1));
  assert.notDeepEqual(planned(1), planned(2));
});

test("kills come in order within the day, each in a stretch of its own, and everybody has a share", () => {
  const plan = planned(3);
  assert.equal(plan.length, 21);
  for (const [at, { atMs }] of plan.entries()) {
    assert.ok(atMs >= (at / 21) * 9_500 && atMs <= ((at + 1) / 21) * 9_500, `kill ${at} at ${atMs}`);
  }
  assert.equal(plan.filter(({ name }) => name === "gateway").length, 11);
});

test("a kill that fails is told with its reason, and the next ones are done all the same", async () => {
  const kills: Kill[] = [];
  const failing = victim("gateway", () => Promise.reject(new Error("nobody there")));
  await killOften({
    victims: [failing, victim("worker")],
    kills: 4,
    withinMs: 20,
    random: seededRandom(1, "kills"),
    clock: systemClock,
    onKill: (kill) => kills.push(kill),
    signal: new AbortController().signal,
  });
  assert.deepEqual(kills.map(({ name, failure }) => `${name} ${failure}`).toSorted(), [
    "gateway nobody there",
    "gateway nobody there",
    "worker undefined",
    "worker undefined",
  ]);
});

test("a slow kill holds up the next one of the same victim, and of nobody else", async () => {
  const order: string[] = [];
  const quickDone = Promise.withResolvers<void>();
  const slow = victim("slow", async () => {
    order.push("slow begins");
    await quickDone.promise;
    order.push("slow ends");
  });
  let quickKills = 0;
  const quick = victim("quick", async () => {
    quickKills += 1;
    if (quickKills === 2) quickDone.resolve();
  });
  await killOften({
    victims: [slow, quick],
    kills: 4,
    withinMs: 20,
    random: seededRandom(1, "kills"),
    clock: systemClock,
    onKill: () => {},
    signal: new AbortController().signal,
  });
  assert.deepEqual(order, ["slow begins", "slow ends", "slow begins", "slow ends"]);
});
