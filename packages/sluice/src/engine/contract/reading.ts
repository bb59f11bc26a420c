import { deepEqual, equal, fail } from "node:assert/strict";
import { activityMax, type Activity } from "../../core/activity.ts";
import { states } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import { messageBytesMax } from "../../core/stored-text.ts";
import type { ListFilter } from "../engine.ts";
import { boom, dead, done, hourMs, orders, queue, request, unknownId, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

export function readingCases(check: Check): void {
  check("an id that was never handed out is unknown", async (rig) => {
    const id = await rig.acceptOne();
    const guessed = `${id.slice(0, -1)}${id.endsWith("0") ? "1" : "0"}` as RequestId;
    for (const stranger of [unknownId, guessed]) {
      equal(await rig.engine.read(stranger), undefined);
      equal(await rig.engine.readBody(stranger), undefined);
      equal(await rig.engine.readResult(stranger), undefined);
      deepEqual(await rig.engine.cancel(stranger), { kind: "unknown" });
    }
    equal(await rig.stateOf(id), "waiting");
  });

  check("a status tells queue, key, type and size", async (rig) => {
    const id = await rig.acceptOne({ key: "k", body: "12345" });
    const status = await rig.engine.read(id);
    const { queue: name, key, contentType, bytes, attempts, startedAt, finishedAt } = status ?? {};
    deepEqual(
      { name, key, contentType, bytes, attempts },
      {
        name: orders,
        key: "k",
        contentType: "application/json",
        bytes: 5,
        attempts: 0,
      },
    );
    deepEqual([startedAt, finishedAt], [undefined, undefined]);
  });

  check("a key is found whoever sent it, and none that only begins like it", async (rig) => {
    await rig.accept(request({ key: "k1", sender: "shop" }), request({ key: "k 1" }), request({ sender: "shop" }));
    for (const fields of [{ sender: "shop" }, { sender: "bank" }, {}])
      await rig.accept(request({ key: "k", body: JSON.stringify(fields), ...fields }));
    const shop = (await rig.take(6)).find(({ request: { key } }) => key === "k");
    await rig.engine.settle(shop?.claim ?? fail("not delivered"), done());
    const sendersOf = async (filter: Partial<ListFilter>) =>
      (await rig.engine.list({ key: "k", limit: 10, ...filter })).map(({ sender }) => sender);
    deepEqual(await sendersOf({}), [undefined, "bank", "shop"]);
    deepEqual(await sendersOf({ limit: 2 }), [undefined, "bank"]);
    deepEqual(await sendersOf({ state: "done", limit: 1 }), ["shop"]);
  });

  check(
    "the activity log tells what was noted, newest first and after a crash, and a key's entries once",
    async (rig) => {
      const caller = { key: "desk", sender: "ops", address: "::1" };
      const nobody = { requests: undefined, key: undefined, sender: undefined, address: undefined };
      const done: readonly Activity[] = [
        { at: 5, what: "paused", about: orders, ...caller, requests: undefined },
        { at: 5, what: "paused", about: orders, ...caller, requests: undefined },
        { at: 7, what: "replayed", about: orders, ...caller, requests: 3 },
      ];
      const made: Activity = { at: 1, what: "key-created", about: "desk 1", ...nobody };
      await rig.engine.noteActivity([made, ...done]);
      await rig.engine.noteActivity([made, { ...made, at: 2, what: "key-revoked" }]);
      await rig.crash();
      const kept = await rig.engine.listActivity({ limit: 10 });
      deepEqual(
        kept.map((entry) => ({ ...entry, no: 0 })),
        [{ ...made, at: 2, what: "key-revoked" } as const, ...done.toReversed(), made].map((entry) => ({
          ...entry,
          no: 0,
        })),
      );
      deepEqual(await rig.engine.listActivity({ limit: 2, before: kept[1]?.no }), kept.slice(2, 4));
    },
  );

  check("the activity log keeps the newest of a great many", async (rig) => {
    const entry = (at: number): Activity => {
      return { at, what: "cancelled", about: "", requests: 1, key: undefined, sender: undefined, address: undefined };
    };
    await rig.engine.noteActivity([entry(-1)]);
    await rig.engine.noteActivity(Array.from({ length: activityMax }, (_, at) => entry(at)));
    const kept = await rig.engine.listActivity({ limit: 2 * activityMax });
    deepEqual([kept.length, kept[0]?.at, kept.at(-1)?.at], [activityMax, activityMax - 1, 0]);
  });

  check("there is no result before the outcome", async (rig) => {
    const id = await rig.acceptOne();
    equal(await rig.engine.readResult(id), undefined);
    await rig.takeOne();
    equal(await rig.engine.readResult(id), undefined);
  });

  check("a list is newest first, and pages without gaps or doubles", async (rig) => {
    const receipts = await rig.accept(...Array.from({ length: 7 }, () => request()));
    const newestFirst = receipts.map(({ id }) => id).toReversed();
    const listed: RequestId[] = [];
    for (let before: RequestId | undefined; ; before = listed.at(-1)) {
      const page = await rig.engine.list({ limit: 3, before });
      listed.push(...page.map(({ id }) => id));
      if (page.length < 3) break;
    }
    deepEqual(listed, newestFirst);
  });

  check("a list that cannot be read fails alone: the calls beside it and after it are answered", async (rig) => {
    const id = await rig.acceptOne();
    const broken = rig.engine.list({ queue: orders, limit: Number.NaN });
    const [refused, status] = await Promise.allSettled([broken, rig.engine.read(id)]);
    equal(refused.status, "rejected");
    equal(status.status === "fulfilled" && status.value?.state, "waiting");
    equal((await rig.engine.list({ queue: orders, limit: 10 })).length, 1);
  });

  check("messages from before they were bounded are shown cut, wherever they are read", async (rig) => {
    const failure = { code: "boom", message: "é".repeat(1_000_000) };
    await rig.accept(...Array.from({ length: 8 }, () => request()));
    for (const { claim } of await rig.take(4)) await rig.engine.settle(claim, { kind: "dead", failure });
    for (const { claim } of await rig.take(4))
      await rig.engine.retry(claim, { dueAt: rig.now() + hourMs, failure, isCounted: true });
    const listed = await rig.engine.list({ limit: 10 });
    const [scheduled] = listed;
    const failures = await rig.engine.readFailures(scheduled?.id ?? unknownId);
    const [group] = await rig.engine.deadByError(orders);
    const shown = [
      ...listed.map(({ lastError }) => lastError?.message),
      (await rig.engine.read(scheduled?.id ?? unknownId))?.lastError?.message,
      ...failures.map(({ failure: { message } }) => message),
      group?.newest.message,
    ];
    equal(shown.length, 11);
    for (const message of shown) equal(message?.length, messageBytesMax);
  });

  check("a list filters by state, each request under one", async (rig) => {
    const expected = await oneInEachState(rig);
    for (const state of states) {
      const found = await rig.engine.list({ queue: orders, state, limit: 10 });
      deepEqual(
        found.map(({ id }) => id),
        [expected[state]],
        state,
      );
      equal(found[0]?.state, state);
    }
    equal((await rig.engine.list({ limit: 10 })).length, states.length);
  });

  check(
    "a list filters by queue and by key",
    async (rig) => {
      const here = await rig.acceptOne({ key: "k" });
      const there = await rig.acceptOne({ queue: "mails", key: "k" });
      await rig.acceptOne({ key: "other" });
      const idsFor = async (filter: { queue?: string; key?: string }): Promise<readonly RequestId[]> =>
        (await rig.engine.list({ ...filter, limit: 10 })).map(({ id }) => id);
      deepEqual(await idsFor({ queue: "mails" }), [there]);
      deepEqual(await idsFor({ key: "k" }), [there, here]);
      deepEqual(await idsFor({ queue: orders, key: "k" }), [here]);
      deepEqual(await idsFor({ queue: "mails", key: "other" }), []);
    },
    { queues: [queue(orders), queue("mails")] },
  );

  check("the backlog tells counts, bytes and the oldest that waits", async (rig) => {
    const expected = await oneInEachState(rig);
    const [status] = await rig.engine.backlog();
    deepEqual({ ...status?.counts }, Object.fromEntries(states.map((state) => [state, 1])));
    equal(status?.accepted, 6);
    equal(status.backlog, 3);
    equal(status.backlogBytes, 3 * 2);
    equal(status.oldestWaitingAt, (await rig.engine.read(expected.waiting))?.acceptedAt);
  });

  check("the oldest that waits is none that waits for its time, until that has come", async (rig) => {
    const [id, later] = [await rig.acceptOne(), await rig.acceptOne()];
    const acceptedAt = (await rig.engine.read(id))?.acceptedAt;
    const oldest = async (): Promise<number | undefined> => (await rig.engine.backlog())[0]?.oldestWaitingAt;
    const [first, second] = await rig.take(2);
    await rig.engine.retry(first?.claim ?? fail(), { dueAt: rig.now() + hourMs, isCounted: false });
    equal(await oldest(), undefined);
    await rig.engine.retry(second?.claim ?? fail(), { dueAt: 0, isCounted: false });
    equal(await oldest(), (await rig.engine.read(later))?.acceptedAt);
    rig.pass(hourMs + 1_000);
    equal(await oldest(), acceptedAt);
  });

  check(
    "the backlog tells when the first and the last of what is scheduled is due, and of nothing that is due",
    async (rig) => {
      const due = async (): Promise<unknown> => {
        const [status] = await rig.engine.backlog();
        return [status?.counts.scheduled, status?.firstDueAt, status?.lastDueAt];
      };
      await rig.accept(request(), request(), request());
      deepEqual(await due(), [0, undefined, undefined]);
      const firstDueAt = Math.floor(rig.now()) + hourMs;
      for (const [index, { claim }] of (await rig.take(3)).entries())
        await rig.engine.retry(claim, { dueAt: firstDueAt + index * hourMs, isCounted: false });
      deepEqual(await due(), [3, firstDueAt, firstDueAt + 2 * hourMs]);
      rig.pass(2.5 * hourMs);
      deepEqual(await due(), [1, firstDueAt + 2 * hourMs, firstDueAt + 2 * hourMs]);
    },
  );

  check("an empty queue has an empty backlog", async (rig) => {
    const [status] = await rig.engine.backlog();
    equal(status?.queue, orders);
    equal(status.backlog, 0);
    equal(status.oldestWaitingAt, undefined);
    equal(status.isPaused, false);
  });

  check("there is no status of a queue that is not there, whatever it is called", async (rig) => {
    for (const name of ["nobody", "\0", "a\0b"]) deepEqual(await rig.engine.backlog(name), []);
  });

  check("workers count while they attend", async (rig) => {
    const workers = async (): Promise<number | undefined> => (await rig.engine.backlog())[0]?.workers;
    const first = rig.engine.attend(orders);
    const second = rig.engine.attend(orders);
    equal(await workers(), 2);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    equal(await workers(), 1);
    second[Symbol.dispose]();
    equal(await workers(), 0);
  });

  check("a worker whose breaker opens is told apart until it closes or leaves", async (rig) => {
    const attendance = async (): Promise<unknown> => {
      const [status] = await rig.engine.backlog();
      return [status?.workers, status?.breakersOpen];
    };
    const first = rig.engine.attend(orders);
    using _second = rig.engine.attend(orders);
    first.breakerOpen(true);
    first.breakerOpen(true);
    deepEqual(await attendance(), [2, 1]);
    first.breakerOpen(false);
    deepEqual(await attendance(), [2, 0]);
    first.breakerOpen(true);
    first[Symbol.dispose]();
    first.breakerOpen(true);
    deepEqual(await attendance(), [1, 0]);
  });

  check("a queue tells what its workers hold, and nothing of one that has left", async (rig) => {
    const deliveries = async (): Promise<unknown> => (await rig.engine.backlog())[0]?.deliveries;
    deepEqual(await deliveries(), { claimed: 0, running: 0, committing: 0 });
    let running = 4;
    const first = rig.engine.attend(orders, () => ({ claimed: 2, running, committing: 5 }));
    using _second = rig.engine.attend(orders, () => ({ claimed: 1, running: 1, committing: 0, limit: 12 }));
    deepEqual(await deliveries(), { claimed: 3, running: 5, committing: 5, limit: 12 });
    running = 3;
    deepEqual(await deliveries(), { claimed: 3, running: 4, committing: 5, limit: 12 });
    first[Symbol.dispose]();
    deepEqual(await deliveries(), { claimed: 1, running: 1, committing: 0, limit: 12 });
  });

  check("a queue tells since when none of its workers delivers", async (rig) => {
    const stoppedAt = async (): Promise<number | undefined> => (await rig.engine.backlog())[0]?.stoppedAt;
    const before = await stoppedAt();
    equal(before !== undefined && before <= rig.now(), true);
    const first = rig.engine.attend(orders);
    const second = rig.engine.attend(orders);
    first.breakerOpen(true);
    equal(await stoppedAt(), undefined);
    rig.pass(hourMs);
    const opened = rig.now();
    second.breakerOpen(true);
    rig.pass(hourMs);
    first[Symbol.dispose]();
    equal(isNear(await stoppedAt(), opened), true);
    rig.pass(hourMs);
    const left = rig.now();
    second[Symbol.dispose]();
    rig.pass(hourMs);
    equal(isNear(await stoppedAt(), left), true);
  });

  check("a pause tells since when, however often it is asked for, and over a restart", async (rig) => {
    const pausedAt = async (): Promise<number | undefined> => (await rig.engine.backlog())[0]?.pausedAt;
    equal(await pausedAt(), undefined);
    const began = rig.now();
    await rig.engine.pause(orders, true);
    rig.pass(hourMs);
    await rig.engine.pause(orders, true);
    await rig.restart();
    equal(isNear(await pausedAt(), began), true);
    await rig.engine.pause(orders, false);
    equal(await pausedAt(), undefined);
  });

  check("attempts that failed are told in their order, and forgotten by a replay", async (rig) => {
    const id = await rig.acceptOne();
    deepEqual(await rig.engine.readFailures(id), []);
    for (const code of ["timeout", "handler-threw"]) {
      const { claim } = await rig.takeOne();
      await rig.engine.retry(claim, { dueAt: 0, failure: { code, message: `${code}!` }, isCounted: true });
    }
    const failures = await rig.engine.readFailures(id);
    deepEqual(
      failures.map(({ attempt, failure }) => [attempt, { ...failure }]),
      [
        [1, { code: "timeout", message: "timeout!" }],
        [2, { code: "handler-threw", message: "handler-threw!" }],
      ],
    );
    equal(
      failures.every(({ failedAt }) => Math.abs(failedAt - rig.now()) < hourMs),
      true,
    );
    await rig.engine.settle((await rig.takeOne()).claim, dead);
    equal((await rig.engine.readFailures(id)).length, 2);
    await rig.engine.replay(id);
    deepEqual(await rig.engine.readFailures(id), []);
    deepEqual(await rig.engine.readFailures(unknownId), []);
  });

  check(
    "dead requests are counted by error, the largest group first, each with its newest",
    async (rig) => {
      deepEqual(await rig.engine.deadByError(orders), []);
      await rig.accept(request(), request(), request(), request(), request({ queue: "mails" }));
      const deliveries = await rig.take(4);
      for (const [index, { claim }] of deliveries.entries()) {
        const failure = { code: index === 0 ? "rejected" : "timeout", message: `message ${index}` };
        await rig.engine.settle(claim, index === 3 ? done() : { kind: "dead", failure });
      }
      await rig.engine.settle((await rig.takeOne("mails")).claim, dead);
      const groups = await rig.engine.deadByError(orders);
      deepEqual(
        groups.map(({ errorCode, count, newest }) => [errorCode, count, newest.id, newest.message]),
        [
          ["timeout", 2, deliveries[2]?.claim.id, "message 2"],
          ["rejected", 1, deliveries[0]?.claim.id, "message 0"],
        ],
      );
      equal(Math.abs((groups[0]?.newest.finishedAt ?? 0) - rig.now()) < hourMs, true);
      deepEqual(await rig.engine.deadByError("nobody"), []);
    },
    { queues: [queue(orders), queue("mails")] },
  );

  check("progress shows while the request runs, and not after", async (rig) => {
    const id = await rig.acceptOne();
    const { claim } = await rig.takeOne();
    rig.engine.report(claim, { percent: 40 });
    deepEqual((await rig.engine.read(id))?.progress, { percent: 40 });
    await rig.engine.settle(claim, done());
    equal((await rig.engine.read(id))?.progress, undefined);
  });

  check("a healthy engine has no problems", async (rig) => {
    deepEqual(rig.engine.health().problems, []);
  });
}

/** Within what passes while a test runs. */
function isNear(at: number | undefined, expected: number): boolean {
  return at !== undefined && Math.abs(at - expected) < hourMs / 2;
}

/** One request for each state, of two bytes each. */
async function oneInEachState(rig: Rig): Promise<Record<(typeof states)[number], RequestId>> {
  const [first, second, third, fourth, fifth, sixth] = await rig.accept(...states.map(() => request({ body: "{}" })));
  const [a, b, c, d] = await rig.take(4);
  if (!a || !b || !c || !d || !first || !second || !third || !fourth || !fifth || !sixth)
    throw new Error("six were sent");
  await rig.engine.settle(a.claim, done());
  await rig.engine.settle(b.claim, dead);
  await rig.engine.retry(c.claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
  await rig.engine.cancel(fifth.id);
  return {
    done: first.id,
    dead: second.id,
    scheduled: third.id,
    running: fourth.id,
    cancelled: fifth.id,
    waiting: sixth.id,
  };
}
