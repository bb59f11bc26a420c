// The database's clock steps, in both directions, at every state of a request: everything accepted ends once, nobody who
// lives is taken for dead, who is dead is found, and what the broker lost is put back.
import { after, before, test } from "node:test";
import { deepEqual, equal, ok } from "node:assert/strict";
import { openFakeClock, type Child, type FakeClock } from "@sluice/testing";
import { whenTrue } from "../cluster/observe.ts";
import { Stage } from "./clocks-cluster/stage.ts";
import { isFull } from "./effort.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const yearMs = 365 * dayMs;

/** How far the clock is ahead of the true one, one after the other: each change is a step. */
const clocks = isFull
  ? [minuteMs, 0, hourMs, 0, dayMs, 0, yearMs, 0, -minuteMs, 0, -hourMs, 0, -dayMs, 0, -yearMs, 0]
  : [yearMs, 0];
/** Members beat once a second: a worker that was killed has been found by then, and its requests have begun elsewhere. */
const foundMsMax = 20_000;
const endedMsMax = 40_000;
/**
 * What a clock ahead by less than a minute accepted is taken for fresh until that minute is over, and nothing has overtaken
 * it: the leader puts it back when its head has stood still.
 */
const putBackMsMax = 180_000;

let stage: Stage;
let local: FakeClock;
let other: Child;

before(async () => {
  stage = await Stage.open();
  local = await openFakeClock();
  await local.step(-yearMs); // a host whose own clock is wrong still follows the store's
  [, other] = await Promise.all([stage.startOrdersWorker(local), stage.startWorker()]);
});
after(async () => {
  await stage?.[Symbol.asyncDispose]();
  await local?.[Symbol.asyncDispose]();
});

for (const [index, ahead] of clocks.entries()) {
  const stepMs = ahead - (clocks[index - 1] ?? 0);
  test(
    `a step of ${stepMs / 1_000} s: what waits, runs, is scheduled or replayed ends once`,
    { timeout: 400_000 },
    () => play(ahead),
  );
}

interface Status {
  readonly state: string;
  readonly attempts: number;
}

async function play(aheadMs: number): Promise<void> {
  stage.shutGate();
  await stage.post("/v1/queues/held/pause");
  const waiting = await sendMany("held", "work", 5);
  const running = await sendHeld();
  const dead = await sendMany("orders", "reject", 2);
  await inState(running, "running");
  await inState(dead, "dead");
  const scheduled = await sendMany("orders", "later", 2);
  await inState(scheduled, "scheduled");
  const holders = holdersOf(running);
  ok(running.every((id) => holders.has(id)));
  const members = await memberNos();

  await stage.step(aheadMs);
  const during = await sendMany("orders", "work", 3);
  for (const id of dead) await stage.post(`/v1/requests/${id}/replay`);
  await inState(during, "done"); // before the gate opens: others still run
  await new Promise((resolve) => setTimeout(resolve, 3_500)); // three beats: time enough to take somebody for dead
  deepEqual(await memberNos(), members, "a member that lives was taken for dead");

  const orphans = running.filter((id) => holders.get(id) === other.pid);
  ok(orphans.length > 0, "the worker that is to be killed runs nothing");
  other.kill("SIGKILL");
  await other.exited;
  const found = await whenTrue(() => orphans.every((id) => beginningsOf(id) > 1), foundMsMax);
  ok(found !== undefined, `what the killed worker ran had not begun again after ${foundMsMax} ms`);

  await stage.purge("held"); // what the killed worker had of it is with the broker again
  other = await stage.startWorker();
  await stage.post("/v1/queues/held/resume");
  await inState(await sendMany("held", "work", 1), "done"); // it overtakes those whose hints are gone
  let healed = 0;
  const putBack = await whenTrue(async () => {
    healed += ((await stage.post("/v1/audit/heal")) as { readonly healed: number }).healed;
    return healed >= waiting.length || waiting.every((id) => endsOf(id) > 0); // the leader puts them back as well
  }, putBackMsMax);
  ok(putBack !== undefined, `the broker lost the hints of ${waiting.length}, and ${healed} were put back`);

  stage.openGate();
  await inState([...waiting, ...running, ...scheduled, ...dead, ...during], "done");
  for (const id of [...waiting, ...running, ...scheduled, ...dead, ...during]) equal(endsOf(id), 1, `${id} ended once`);
  const { holds } = await stage.get<{ readonly holds: boolean }>("/v1/audit");
  equal(holds, true);
}

/** As many as it takes until both workers have some. */
async function sendHeld(): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const began = (): number => new Set(holdersOf(ids).values()).size; began() < 2;) {
    ids.push(await stage.send("orders", "hold"));
    ok(await whenTrue(() => holdersOf(ids).size === ids.length, endedMsMax), "what is to run does not begin");
    ok(ids.length <= 40, "one worker gets all");
  }
  return ids;
}

async function sendMany(queue: string, behaviour: "work" | "hold" | "later" | "reject", count: number) {
  const ids: string[] = [];
  for (let sent = 0; sent < count; sent += 1) ids.push(await stage.send(queue, behaviour));
  return ids;
}

async function inState(ids: readonly string[], state: string): Promise<void> {
  const seen = new Map<string, string>();
  const ms = await whenTrue(async () => {
    for (const id of ids)
      if (seen.get(id) !== state) seen.set(id, (await stage.get<Status>(`/v1/requests/${id}`)).state);
    return [...seen.values()].every((one) => one === state);
  }, endedMsMax);
  ok(ms !== undefined, `not all are ${state} after ${endedMsMax} ms: ${[...seen.values()].join(" ")}`);
}

function holdersOf(ids: readonly string[]): ReadonlyMap<string, number> {
  const began = stage.noted().filter(({ what, id }) => what === "began" && ids.includes(id));
  return new Map(began.map(({ id, pid }) => [id, pid]));
}

function beginningsOf(id: string): number {
  return stage.noted().filter((one) => one.what === "began" && one.id === id).length;
}

function endsOf(id: string): number {
  return stage.noted().filter((one) => one.what === "done" && one.id === id).length;
}

async function memberNos(): Promise<readonly number[]> {
  return (await stage.rows<{ no: number }>("SELECT no FROM sluice.members ORDER BY no")).map(({ no }) => no);
}
