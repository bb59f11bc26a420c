import { deepEqual, equal, fail } from "node:assert/strict";
import { callbackQueue, callbackRequestOf, type DueCallback } from "../../core/callback.ts";
import type { RequestId } from "../../core/request-id.ts";
import {
  boom,
  dead,
  done,
  hourMs,
  orders,
  queue,
  request,
  textOf,
  unknownId,
  type Rig,
  type RigOptions,
} from "./rig.ts";
import type { Check } from "./suite.ts";

const callback = "http://127.0.0.1:9/told";
const options: RigOptions = { queues: [queue(orders), queue(callbackQueue)] };

export function callingBackCases(check: Check): void {
  check(
    "a request that is done has one callback due, with what is known of its result",
    async (rig) => {
      const id = await rig.acceptOne({ callback });
      deepEqual(await due(rig), []);
      const { claim } = await rig.takeOne();
      deepEqual(await due(rig), []);
      await rig.engine.settle(claim, done("twelve"));
      const finishedAt = (await rig.engine.read(id))?.finishedAt ?? fail("it is finished");
      const result = { contentType: "text/plain", byteCount: 6 };
      deepEqual(await due(rig), [{ id, url: callback, round: 0, finishedAt, result }]);
      await tellAll(rig);
      deepEqual(await callbacksMade(rig), [`${id}.0`]);
      deepEqual(await due(rig), []);
    },
    options,
  );

  check(
    "whoever wants none has none",
    async (rig) => {
      await rig.accept(request(), request({ callback }), request());
      for (const { claim } of await rig.take(3)) await rig.engine.settle(claim, done());
      equal((await due(rig)).length, 1);
    },
    options,
  );

  check(
    "a request that an attempt ends dead has one callback due",
    async (rig) => {
      const id = await rig.acceptOne({ callback });
      await rig.engine.settle((await rig.takeOne()).claim, dead);
      await tellAll(rig);
      deepEqual(await callbacksMade(rig), [`${id}.0`]);
    },
    options,
  );

  check(
    "a request that killed its worker too often has one callback due",
    async (rig) => {
      const id = await rig.acceptOne({ callback });
      for (let crashes = 0; crashes < 2; crashes += 1) {
        await rig.takeOne();
        deepEqual(await due(rig), []);
        await rig.crash();
      }
      equal(await rig.stateOf(id), "dead");
      await tellAll(rig);
      deepEqual(await callbacksMade(rig), [`${id}.0`]);
    },
    { ...options, crashesMax: 2 },
  );

  check(
    "a cancelled request has one callback due, whether it waited or was scheduled",
    async (rig) => {
      const scheduled = await rig.acceptOne({ callback });
      const { claim } = await rig.takeOne();
      await rig.engine.retry(claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
      const waiting = await rig.acceptOne({ callback });
      deepEqual(await due(rig), []);
      await rig.engine.cancel(scheduled);
      await rig.engine.cancel(waiting);
      await tellAll(rig);
      deepEqual(await callbacksMade(rig), [`${scheduled}.0`, `${waiting}.0`]);
    },
    options,
  );

  check(
    "neither a failed attempt nor a superseded outcome makes a callback due",
    async (rig) => {
      const id = await rig.acceptOne({ callback });
      const { claim: first } = await rig.takeOne();
      await rig.engine.retry(first, { dueAt: 0, failure: boom, isCounted: true });
      equal(await rig.engine.settle(first, done("late")), "superseded");
      deepEqual(await due(rig), []);
      const { claim } = await rig.takeOne();
      await rig.engine.settle(claim, done("in time"));
      await tellAll(rig);
      equal(await rig.engine.settle(claim, dead), "superseded");
      await tellAll(rig);
      deepEqual(await callbacksMade(rig), [`${id}.0`]);
    },
    options,
  );

  check(
    "a crash between the outcome and its callback loses none, one between callback and note doubles none",
    async (rig) => {
      const id = await rig.acceptOne({ callback });
      await rig.engine.settle((await rig.takeOne()).claim, done());
      await rig.crash();
      const [found] = await due(rig);
      await rig.accept(await callbackOf(rig, found ?? fail("it is due")));
      await rig.crash();
      const [again] = await due(rig);
      deepEqual(again, found);
      const [receipt] = await rig.accept(await callbackOf(rig, again ?? fail("it is due still")));
      equal(receipt?.isReplayed, true);
      await rig.engine.callbacksTold([{ id, round: 0 }]);
      await rig.crash();
      deepEqual(await due(rig), []);
      deepEqual(await callbacksMade(rig), [`${id}.0`]);
    },
    options,
  );

  check(
    "each outcome after a replay has a callback of its own",
    async (rig) => {
      const id = await rig.acceptOne({ callback });
      await rig.engine.settle((await rig.takeOne()).claim, dead);
      await tellAll(rig);
      await rig.engine.replay(id);
      deepEqual(await due(rig), []);
      await rig.engine.settle((await rig.takeOne()).claim, dead);
      await tellAll(rig);
      deepEqual(await rig.engine.replayMany({ queue: orders, limit: 10, isDryRun: false }), {
        total: 1,
        matched: 1,
        replayed: 1,
      });
      await rig.engine.settle((await rig.takeOne()).claim, done());
      await tellAll(rig);
      deepEqual(await callbacksMade(rig), [`${id}.0`, `${id}.1`, `${id}.2`]);
    },
    options,
  );

  check(
    "a note that comes after a replay does not silence the next outcome",
    async (rig) => {
      const id = await rig.acceptOne({ callback });
      await rig.engine.settle((await rig.takeOne()).claim, dead);
      await rig.engine.replay(id);
      await rig.engine.callbacksTold([{ id, round: 0 }]);
      await rig.engine.settle((await rig.takeOne()).claim, done());
      equal((await due(rig)).length, 1);
    },
    options,
  );

  check(
    "a repeat with the same key neither adds a callback nor changes it",
    async (rig) => {
      await rig.accept(request({ key: "a", callback }), request({ key: "b" }));
      const other = "http://127.0.0.1:9/other";
      await rig.accept(request({ key: "a", callback: other }), request({ key: "b", callback: other }));
      for (const { claim } of await rig.take(2)) await rig.engine.settle(claim, done());
      deepEqual(
        (await due(rig)).map(({ url }) => url),
        [callback],
      );
    },
    options,
  );

  check(
    "callbacks are found page by page, over those that have no outcome yet",
    async (rig) => {
      await rig.accept(...Array.from({ length: 7 }, () => request({ callback })));
      const deliveries = await rig.take(7);
      const finished = deliveries.filter((_, place) => place % 3 === 0).map(({ claim }) => claim);
      for (const claim of finished) await rig.engine.settle(claim, done());
      const found: RequestId[] = [];
      let after: RequestId | undefined;
      for (let pages = 0; pages < 4; pages += 1) {
        const page = await rig.engine.callbacksDue({ after, max: 2 });
        found.push(...page.due.map(({ id }) => id));
        after = page.next;
        if (after === undefined) break;
      }
      equal(after, undefined);
      deepEqual(
        found,
        finished.map(({ id }) => id),
      );
    },
    options,
  );

  check(
    "a note about an unknown request changes nothing",
    async (rig) => {
      await rig.engine.callbacksTold([{ id: unknownId, round: 0 }]);
      await rig.engine.callbacksTold([]);
    },
    options,
  );

  check(
    "a callback says what came of the request, and says it again the same",
    async (rig) => {
      const id = await rig.acceptOne({ callback, key: "order-7" });
      const json = {
        kind: "done",
        result: { contentType: "application/json", bytes: Buffer.from('{"n":1e400}') },
      } as const;
      await rig.engine.settle((await rig.takeOne()).claim, json);
      const [found] = await due(rig);
      const made = await callbackOf(rig, found ?? fail("it is due"));
      await rig.crash();
      deepEqual(await callbackOf(rig, found ?? fail("it is due")), made);
      const text = textOf({ contentType: "", bytes: made.body }) ?? "";
      equal(text.includes('"result":{"contentType":"application/json","bytes":11,"body":{"n":1e400}}'), true);
      const { type, data } = JSON.parse(text) as { type: string; data: Record<string, unknown> };
      deepEqual([type, data["id"], data["key"], data["state"]], ["request.done", id, "order-7", "done"]);
    },
    options,
  );
}

async function due({ engine }: Rig): Promise<readonly DueCallback[]> {
  return (await engine.callbacksDue({ max: 100 })).due;
}

/** As the relay does. */
async function tellAll(rig: Rig): Promise<void> {
  for (const found of await due(rig)) {
    await rig.accept(await callbackOf(rig, found));
    await rig.engine.callbacksTold([found]);
  }
}

async function callbackOf({ engine }: Rig, found: DueCallback): Promise<ReturnType<typeof callbackRequestOf>> {
  const status = (await engine.read(found.id)) ?? fail("it can be read");
  return callbackRequestOf({ callback: found, status, result: await engine.readResult(found.id) });
}

/** The keys of all callbacks, in the order in which they were made. */
async function callbacksMade({ engine }: Rig): Promise<readonly (string | undefined)[]> {
  return (await engine.list({ queue: callbackQueue, limit: 100 })).map(({ key }) => key).toReversed();
}
