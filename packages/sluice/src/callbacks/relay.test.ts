// The relay on a real store: what it finds beyond its first page, what it passes over, and what it survives.
import { deepEqual, equal, fail } from "node:assert/strict";
import { test } from "node:test";
import { temporaryFolder, type TemporaryFolder } from "@sluice/testing";
import { callbackQueue, callbackRequestOf } from "../core/callback.ts";
import { SluiceError } from "../core/errors.ts";
import type { Outcome } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { Engine } from "../engine/engine.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { openLog } from "../telemetry/log.ts";
import { CallbackRelay, type RelayEngine } from "./relay.ts";

const log = openLog({ level: "silent", isPretty: false });
const done: Outcome = { kind: "done", result: { contentType: "text/plain", bytes: Buffer.from("ok") } };
const dead: Outcome = { kind: "dead", failure: { code: "boom", message: "boom" } };
const never = 2 ** 30;

interface Rig extends AsyncDisposable {
  readonly engine: Engine;
  readonly relay: CallbackRelay;
}

/** Its relay looks only when it is told to. */
async function openRig({ callbacksMax = 1_000_000 } = {}, leads?: () => Promise<boolean>): Promise<Rig> {
  const folder: TemporaryFolder = await temporaryFolder();
  const bounds = { backlogBytesMax: 10 ** 9 };
  const queues = [
    { name: "orders", backlogMax: 1_000_000, ...bounds },
    { name: callbackQueue, backlogMax: callbacksMax, ...bounds },
  ];
  const engine = await openEmbedded({ folder: folder.path, queues, diskFreeMin: 0 });
  const relay = new CallbackRelay({ engine, leads, log, everyMs: never });
  return {
    engine,
    relay,
    async [Symbol.asyncDispose]() {
      await relay.close();
      await engine.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function accept(engine: Engine, count: number): Promise<readonly RequestId[]> {
  const one = {
    queue: "orders",
    key: undefined,
    contentType: "text/plain",
    headers: undefined,
    body: Buffer.from("1"),
    callback: "http://127.0.0.1:9/",
  };
  const result = await engine.accept(Array.from({ length: count }, () => one));
  return result.kind === "accepted" ? result.receipts.map(({ id }) => id) : fail(result.kind);
}

async function finish(engine: Engine, outcome: Outcome): Promise<RequestId> {
  const [delivery] = await engine.deliver({ queue: "orders", max: 1, signal: AbortSignal.timeout(10_000) });
  const { claim } = delivery ?? fail("nothing was delivered");
  await engine.settle(claim, outcome);
  return claim.id;
}

async function keysMade({ engine }: Rig): Promise<readonly (string | undefined)[]> {
  return (await engine.list({ queue: callbackQueue, limit: 1_000 })).map(({ key }) => key).toReversed();
}

test("an outcome far behind many that are not finished is found within a few looks", async () => {
  await using rig = await openRig();
  const ids = await accept(rig.engine, 25_000);
  const last = ids.at(-1) as RequestId;
  await rig.engine.cancel(last);
  let looks = 0;
  while ((await keysMade(rig)).length === 0) {
    await rig.relay.look();
    if ((looks += 1) > 3) fail("three looks go past 25,000");
  }
  deepEqual(await keysMade(rig), [`${last}.0`]);
  await rig.engine.cancel(ids[0] as RequestId);
  await rig.relay.look();
  deepEqual(await keysMade(rig), [`${last}.0`, `${ids[0]}.0`], "the head of the line has its turn in each look");
});

test("many that are finished at once are told in one look, and once", async () => {
  await using rig = await openRig();
  const ids = await accept(rig.engine, 100);
  for (const _ of ids) await finish(rig.engine, done);
  await rig.relay.look();
  await rig.relay.look();
  const made = await keysMade(rig);
  equal(made.length, 100);
  deepEqual(new Set(made), new Set(ids.map((id) => `${id}.0`)));
});

test("an outcome that a replay takes back while it is being told is passed over, and the next one told once", async () => {
  await using rig = await openRig();
  await accept(rig.engine, 1);
  const id = await finish(rig.engine, dead);
  const { due } = await rig.engine.callbacksDue({ max: 1 });
  await rig.engine.replay(id);
  await finish(rig.engine, done);
  // It found the first outcome due, and reads the request after the second one.
  const { engine } = rig;
  const late: RelayEngine = {
    callbacksDue: () => Promise.resolve({ due, next: undefined }),
    callbacksTold: (told) => engine.callbacksTold(told),
    read: (of) => engine.read(of),
    readResult: (of) => engine.readResult(of),
    accept: (requests) => engine.accept(requests),
  };
  await using relay = new CallbackRelay({ engine: late, log, everyMs: never });
  await relay.look();
  deepEqual(await keysMade(rig), []);
  await rig.relay.look();
  deepEqual(await keysMade(rig), [`${id}.1`]);
});

test("a callback that an earlier version accepted in other words is not made again", async () => {
  await using rig = await openRig();
  await accept(rig.engine, 2);
  const ids = [await finish(rig.engine, done), await finish(rig.engine, dead)];
  const { due } = await rig.engine.callbacksDue({ max: 1 });
  const status = (await rig.engine.read(ids[0] as RequestId)) ?? fail("it can be read");
  const made = callbackRequestOf({ callback: due[0] ?? fail("it is due"), status, result: undefined });
  await rig.engine.accept([{ ...made, body: Buffer.from("in other words") }]);
  await rig.relay.look();
  deepEqual(await keysMade(rig), [`${ids[0]}.0`, `${ids[1]}.0`]);
  deepEqual((await rig.engine.callbacksDue({ max: 10 })).due, []);
});

test("callbacks wait while their backlog is at its bound", async () => {
  await using rig = await openRig({ callbacksMax: 1 });
  await accept(rig.engine, 2);
  await finish(rig.engine, done);
  await rig.relay.look();
  await finish(rig.engine, done);
  await rig.relay.look();
  equal((await keysMade(rig)).length, 1);
  const [told] = await rig.engine.deliver({ queue: callbackQueue, max: 1, signal: AbortSignal.timeout(10_000) });
  await rig.engine.settle(told?.claim ?? fail("it is delivered"), done);
  await rig.relay.look();
  equal((await keysMade(rig)).length, 2);
});

test("of several processes only the one that leads looks", async () => {
  let isLeader = false;
  await using rig = await openRig({}, () => Promise.resolve(isLeader));
  await accept(rig.engine, 1);
  await finish(rig.engine, done);
  await rig.relay.look();
  deepEqual(await keysMade(rig), []);
  isLeader = true;
  await rig.relay.look();
  equal((await keysMade(rig)).length, 1);
});

test("it goes on looking after the store was unavailable", { timeout: 10_000 }, async () => {
  let outages = 3;
  const leads = (): Promise<boolean> => {
    if ((outages -= 1) >= 0) return Promise.reject(new SluiceError("store-unavailable", "out"));
    return Promise.resolve(true);
  };
  await using rig = await openRig();
  const [id] = await accept(rig.engine, 1);
  await finish(rig.engine, done);
  await using _relay = new CallbackRelay({ engine: rig.engine, leads, log, everyMs: 1 });
  for (;;) if ((await keysMade(rig)).includes(`${id}.0`)) break;
});
