import { deepEqual, equal, ok } from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { lineSettingsDefault, type LineSettings } from "../../core/line-settings.ts";
import type { Placement } from "../../core/placement.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { Delivery } from "../../core/request.ts";
import type { LineOperations } from "../engine.ts";
import { boom, dead, done, eventually, hourMs, idsOf, orders, queue, request, type Rig } from "./rig.ts";
import type { Check } from "./suite.ts";

/** Order keys, groups and urgencies. */
export function liningCases(check: Check): void {
  check("requests of one order key run one after another, and others do not wait for them", async (rig) => {
    const [a1, a2, b1, a3, plain] = await acceptEach(rig, [
      { order: "a" },
      { order: "a" },
      { order: "b" },
      { order: "a" },
      {},
    ]);
    const first = await rig.take(10);
    deepEqual(new Set(idsOf(first)), new Set([a1, b1, plain]));
    await rig.assertNothingToDeliver();
    await settle(rig, first, a1);
    deepEqual(idsOf(await rig.take(10)), [a2]);
    await rig.assertNothingToDeliver();
    equal(await rig.stateOf(a3 as RequestId), "waiting");
    await rig.assertLaw();
  });

  check("a retry keeps its place before the others of its order key, also over restarts and crashes", async (rig) => {
    const [first, second] = await acceptEach(rig, [{ order: "a" }, { order: "a" }]);
    const { claim } = await rig.takeOne();
    await rig.engine.retry(claim, { dueAt: rig.now() + hourMs, failure: boom, isCounted: true });
    await rig.assertNothingToDeliver();
    await rig.restart();
    await rig.assertNothingToDeliver();
    rig.pass(hourMs + 1_000);
    const again = await rig.takeOne();
    deepEqual([again.claim.id, again.attempt, again.isAgain], [first, 2, true]);
    await rig.assertNothingToDeliver();
    await rig.crash();
    const third = await rig.takeOne();
    equal(third.claim.id, first);
    await rig.assertNothingToDeliver();
    await rig.engine.settle(third.claim, done());
    equal((await rig.takeOne()).claim.id, second);
  });

  check("what was handed back, cancelled, dead or never began lets the next of its order key go", async (rig) => {
    const ids = await acceptEach(rig, [
      { order: "a" },
      { order: "a", expiresAt: rig.now() + hourMs },
      ...copies(4, { order: "a" }),
    ]);
    await rig.engine.retry((await rig.takeOne()).claim, { dueAt: 0, isCounted: false });
    const again = await rig.takeOne();
    deepEqual([again.claim.id, again.isAgain], [ids[0], false]);
    rig.pass(hourMs + 1_000);
    await rig.engine.settle(again.claim, dead);
    const third = await rig.takeOne();
    equal(third.claim.id, ids[2], "the second has expired");
    deepEqual(await rig.engine.cancel(ids[3] as RequestId), { kind: "moved" });
    await rig.assertNothingToDeliver();
    await rig.engine.settle(third.claim, done());
    equal((await rig.takeOne()).claim.id, ids[4]);
    await rig.assertNothingToDeliver();
  });

  check("one that is not to begin yet keeps its order key until it has run", async (rig) => {
    const [first, second] = await acceptEach(rig, [{ order: "a", notBefore: rig.now() + hourMs }, { order: "a" }]);
    await rig.assertNothingToDeliver();
    rig.pass(hourMs + 1_000);
    const delivery = await rig.takeOne();
    deepEqual([delivery.claim.id, delivery.isAgain], [first, false]);
    await rig.engine.settle(delivery.claim, done());
    equal((await rig.takeOne()).claim.id, second);
  });

  check("a replayed request goes to the end of its order key", async (rig) => {
    const [first, second, third] = await acceptEach(rig, copies(3, { order: "a" }));
    await rig.engine.settle((await rig.takeOne()).claim, dead);
    deepEqual(await rig.engine.replay(first as RequestId), { kind: "moved" });
    for (const id of [second, third, first]) {
      const { claim } = await rig.takeOne();
      equal(claim.id, id);
      await rig.assertNothingToDeliver();
      await rig.engine.settle(claim, done());
    }
  });

  const holding = linesOf({ afterDead: "hold" });
  check(
    "a dead request holds its order key if it is told to, until somebody lets it go or replays it",
    async (rig) => {
      const [first, second, third] = await acceptEach(rig, copies(3, { order: "a" }));
      await rig.engine.settle((await rig.takeOne()).claim, dead);
      await rig.assertNothingToDeliver();
      await rig.crash();
      await rig.assertNothingToDeliver();
      const [held] = await operations(rig).heldOrders(orders, 10);
      deepEqual([held?.order, held?.by, held?.waiting], ["a", first, 2]);
      equal(await operations(rig).releaseOrder(orders, "b"), false);
      equal(await operations(rig).releaseOrder(orders, "a"), true);
      deepEqual(await operations(rig).heldOrders(orders, 10), []);
      const { claim } = await rig.takeOne();
      equal(claim.id, second);
      await rig.engine.settle(claim, dead);
      await rig.assertNothingToDeliver();
      await rig.engine.replay(second as RequestId);
      const next = await rig.takeOne();
      equal(next.claim.id, third);
      await rig.engine.settle(next.claim, done());
      equal((await rig.takeOne()).claim.id, second);
    },
    { queues: [queue(orders, { lines: holding })] },
  );

  check(
    "a dead request that holds its order key is all that is in line, and is replayed after a restart",
    async (rig) => {
      const [id] = await acceptEach(rig, [{ order: "a" }]);
      await rig.engine.settle((await rig.takeOne()).claim, dead);
      await rig.restart();
      deepEqual(await rig.engine.replay(id as RequestId), { kind: "moved" });
      const { claim } = await rig.takeOne();
      equal(claim.id, id);
      await rig.engine.settle(claim, done());
      deepEqual(await operations(rig).heldOrders(orders, 10), []);
      await rig.assertLaw();
    },
    { queues: [queue(orders, { lines: holding })] },
  );

  check(
    "the counts are of the largest groups that have a name and of the held order keys, up to their bounds",
    async (rig) => {
      const counts = (groupsMax: number, heldMax: number) => operations(rig).counts({ groupsMax, heldMax });
      await rig.accept(request({ queue: "plain" }));
      await acceptEach(
        rig,
        ["a", "b", "c"].map((order) => ({ order })),
      );
      for (const { claim } of await rig.take(3)) await rig.engine.settle(claim, dead);
      await rig.crash();
      await eventually(async () => deepEqual(await counts(10, 10), [{ queue: orders, groups: [], heldOrders: 3 }]));
      await acceptEach(rig, [
        ...copies(5, { urgency: 1 }),
        ...copies(3, { group: 'x"' }),
        ...copies(2, { group: "y" }),
        { group: "z" },
      ]);
      await rig.take(11);
      const x = { group: 'x"', backlog: 3, inFlight: 3 };
      const y = { group: "y", backlog: 2, inFlight: 2 };
      await eventually(async () => deepEqual(await counts(2, 2), [{ queue: orders, groups: [x, y], heldOrders: 2 }]));
    },
    { queues: [queue(orders, { lines: holding }), queue("plain")] },
  );

  check("a hundred order keys under retries and crashes keep their order", async (rig) => {
    const keys = 20;
    const ids = await acceptEach(
      rig,
      Array.from({ length: 100 }, (_, at) => ({ order: `k${at % keys}`, group: `g${at % 3}`, urgency: at % 8 })),
    );
    const orderOf = new Map(ids.map((id, at) => [id, at % keys]));
    const begun = new Map<number, RequestId[]>();
    let left = ids.length;
    for (let round = 0; left > 0; round += 1) {
      for (const { claim } of await rig.take(7)) {
        const key = orderOf.get(claim.id) as number;
        if (round % 5 === 1) await rig.engine.retry(claim, { dueAt: 0, failure: boom, isCounted: true });
        else {
          begun.set(key, [...(begun.get(key) ?? []), claim.id]);
          await rig.engine.settle(claim, done());
          left -= 1;
        }
      }
      if (round % 9 === 8) await rig.restart();
    }
    for (const [key, inOrder] of begun)
      deepEqual(
        inOrder,
        ids.filter((_, at) => at % keys === key),
      );
  });

  check("the more urgent goes first, whatever came earlier, and waiting makes more urgent", async (rig) => {
    const [least, plain, most] = await acceptEach(rig, [{ urgency: 7 }, {}, { urgency: 0 }]);
    deepEqual(idsOf(await rig.take(3)), [most, plain, least]);
    const old = await rig.acceptOne({ placement: { urgency: 7 } });
    rig.pass(8 * lineSettingsDefault.riseMs);
    const fresh = await rig.acceptOne({ placement: { urgency: 0 } });
    deepEqual(idsOf(await rig.take(2)), [old, fresh]);
  });

  check("groups share the starts, however much one of them has waiting", async (rig) => {
    await acceptEach(rig, copies(30, { group: "loud" }));
    const quiet = await acceptEach(rig, copies(3, { group: "quiet" }));
    const first = await rig.take(6 + rig.handsAhead);
    deepEqual(
      idsOf(first).filter((id) => quiet.includes(id)),
      quiet,
    );
    for (const { claim } of first) await rig.engine.settle(claim, done());
    await rig.restart();
    const others = await acceptEach(rig, copies(2, { group: "other" }));
    const next = idsOf(await rig.take(6 + 3 * rig.handsAhead)); // by then more is handed out ahead
    deepEqual(
      next.filter((id) => others.includes(id)),
      others,
    );
  });

  check(
    "a group's weight is its share, and its concurrency its bound",
    async (rig) => {
      await acceptEach(rig, [...copies(20, { group: "one" }), ...copies(20, { group: "three" })]);
      const deliveries = await rig.take(8);
      const groups = deliveries.map(({ request: { placement } }) => placement?.group);
      deepEqual([groups.filter((group) => group === "one").length, groups.length], [2, 8]);
      await rig.engine.settle((deliveries[0] as Delivery).claim, done());
      equal((await rig.take(8)).length, 5, "up to six of each, and seven of eight run");
      await rig.assertNothingToDeliver();
    },
    { queues: [queue(orders, { lines: linesOf({ weights: { three: 3 }, concurrency: 6 }) })] },
  );

  check(
    "a group with its backlog at its bound is refused, and the others are not",
    async (rig) => {
      await acceptEach(rig, copies(2, { group: "a" }));
      deepEqual(await rig.engine.accept([request({ placement: { group: "a" } })]), { kind: "group-full", index: 0 });
      deepEqual(
        (await rig.engine.accept(copies(3, { group: "b" }).map((placement) => request({ placement })))).kind,
        "group-full",
      );
      await acceptEach(rig, [{ group: "b" }, {}]);
      const { claim } = await rig.takeOne();
      await rig.engine.settle(claim, done());
      await eventually(async () => void (await acceptEach(rig, [{ group: "a" }])));
    },
    { queues: [queue(orders, { lines: linesOf({ backlogMax: 2 }) })] },
  );

  check("a group can be paused at run time, over a restart, and go on", async (rig) => {
    await operations(rig).setGroup(orders, "a", { isPaused: true, weight: 2 });
    await rig.quiet();
    const [a, b] = await acceptEach(rig, [{ group: "a" }, { group: "b" }]);
    deepEqual(idsOf(await rig.take(5)), [b]);
    await rig.restart();
    deepEqual(idsOf(await rig.take(5)), [b]);
    await eventually(async () => {
      const groups = await operations(rig).groups(orders, 10);
      deepEqual(
        groups.map(({ group, backlog, inFlight, isPaused }) => [group, backlog, inFlight, isPaused]),
        [
          ["a", 1, 0, true],
          ["b", 1, 1, undefined],
        ],
      );
    });
    await operations(rig).setGroup(orders, "a", undefined);
    deepEqual(idsOf(await rig.take(5)), [a]);
  });

  check("pausing a group leaves what else is set of it, also what is set at the same moment", async (rig) => {
    const lines = operations(rig);
    const said = async (): Promise<unknown> => {
      const [one] = await lines.groups(orders, 10);
      return one && { weight: one.weight, concurrency: one.concurrency, isPaused: one.isPaused };
    };
    await lines.pauseGroup(orders, "a", false);
    equal(await said(), undefined);
    await lines.setGroup(orders, "a", { weight: 2 });
    await Promise.all([
      lines.setGroup(orders, "a", { weight: 2, concurrency: 7 }),
      lines.pauseGroup(orders, "a", true),
    ]);
    const both = (await said()) as { readonly concurrency: number };
    equal(both.concurrency, 7);
    await lines.pauseGroup(orders, "a", true);
    deepEqual(await said(), { weight: 2, concurrency: 7, isPaused: true });
    await lines.pauseGroup(orders, "a", false);
    deepEqual(await said(), { weight: 2, concurrency: 7, isPaused: undefined });
    await lines.setGroup(orders, "a", undefined);
    await lines.pauseGroup(orders, "a", true);
    await lines.pauseGroup(orders, "a", false);
    equal(await said(), undefined);
  });

  check("what is set of a group holds for its first request too", async (rig) => {
    await operations(rig).setGroup(orders, "a", { isPaused: true });
    await rig.quiet();
    await delay(1_200); // longer than anything is looked for
    const [, b] = await acceptEach(rig, [{ group: "a" }, { group: "b" }]);
    deepEqual(idsOf(await rig.take(5)), [b]);
    await rig.assertNothingToDeliver();
  });

  check(
    "a request that expires behind another one holds its order key once its turn comes",
    async (rig) => {
      const expiring = { order: "a", expiresAt: rig.now() + hourMs };
      const placements = [{ order: "a" }, { order: "a" }, expiring, expiring, { order: "a" }];
      const [first, second, third, fourth, fifth] = await acceptEach(rig, placements);
      const { claim } = await rig.takeOne();
      equal(claim.id, first);
      rig.pass(hourMs + 1_000);
      await rig.assertNothingToDeliver();
      await rig.engine.settle(claim, done());
      const next = await rig.takeOne();
      equal(next.claim.id, second, "it comes before the one that has expired");
      await rig.engine.settle(next.claim, done());
      await rig.assertNothingToDeliver();
      for (const dead of [third, fourth]) {
        const held = await operations(rig).heldOrders(orders, 10);
        deepEqual(
          held.map(({ by }) => by),
          [dead],
          "each order key once",
        );
        equal(await operations(rig).releaseOrder(orders, "a"), true);
        if (dead === third) await rig.assertNothingToDeliver();
      }
      equal((await rig.takeOne()).claim.id, fifth);
    },
    { queues: [queue(orders, { lines: holding })] },
  );

  check("a group's rate paces its starts, and no others", async (rig) => {
    await operations(rig).setGroup(orders, "slow", { ratePerHour: 360 });
    await acceptEach(rig, [...copies(5, { group: "slow" }), ...copies(5, { group: "fast" })]);
    const first = await rig.take(10);
    equal(first.length, 6);
    await rig.assertNothingToDeliver();
    rig.pass(11_000);
    const waiting = await rig.waitForDelivery();
    equal((await waiting.delivered).length, 1, "ten seconds later");
  });

  check("what is in lines lives over a crash, and is moved by none", async (rig) => {
    const ids = await acceptEach(rig, [{ group: "a" }, { urgency: 1 }, { order: "k" }, { order: "k" }, {}]);
    await rig.take(2);
    await rig.crash();
    const all = new Set<RequestId>();
    for (let round = 0; all.size < ids.length && round < 10; round += 1) {
      for (const { claim } of await rig.take(10)) {
        ok(!all.has(claim.id));
        all.add(claim.id);
        await rig.engine.settle(claim, done());
      }
    }
    deepEqual(all, new Set(ids));
  });
}

function linesOf(settings: Partial<LineSettings>): LineSettings {
  return { ...lineSettingsDefault, ...settings };
}

function copies(count: number, placement: Placement): readonly Placement[] {
  return Array.from({ length: count }, () => placement);
}

async function acceptEach(rig: Rig, placements: readonly Placement[]): Promise<readonly RequestId[]> {
  return (await rig.accept(...placements.map((placement) => request({ placement })))).map(({ id }) => id);
}

async function settle(rig: Rig, deliveries: readonly Delivery[], id: RequestId | undefined): Promise<void> {
  const found = deliveries.find(({ claim }) => claim.id === id);
  if (found !== undefined) await rig.engine.settle(found.claim, done());
}

function operations({ engine }: Rig): LineOperations {
  return engine.lines;
}
