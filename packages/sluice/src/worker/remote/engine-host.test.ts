// Worker processes without the processes: both ends on a real engine, and what they say crosses as a copy.
import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { systemClock, type Clock } from "../../core/clock.ts";
import type { Delivery, NewRequest, Outcome } from "../../core/request.ts";
import type { Engine } from "../../engine/engine.ts";
import { openEmbedded } from "../../engines/embedded/open.ts";
import { openLog } from "../../telemetry/log.ts";
import { EngineHost } from "./engine-host.ts";
import type { Connection } from "./process-connection.ts";
import { RemoteEngine } from "./remote-engine.ts";

const queue = "orders";
const done: Outcome = { kind: "done", result: { contentType: "text/plain", bytes: Buffer.from("ok") } };

interface Side {
  readonly remote: RemoteEngine;
  /** What arrives from the process, whoever said it there. */
  receive(received: unknown): void;
  /** The process dies: what was said before has arrived. */
  die(): Promise<void>;
  /** The pool had to kill it. */
  beKilled(): Promise<void>;
  /** Resolves once the host holds it for stuck. */
  readonly stuck: Promise<void>;
}

interface Rig extends AsyncDisposable {
  readonly engine: Engine;
  connect(): Side;
  accept(count: number): Promise<void>;
}

interface Given {
  readonly concurrency?: number;
  readonly ratePerHour?: number;
  readonly clock?: Clock;
}

async function openRig({ concurrency = 100, ratePerHour, clock = systemClock }: Given = {}): Promise<Rig> {
  const folder = await temporaryFolder();
  const queues = [{ name: queue, backlogMax: 1_000, backlogBytesMax: 2 ** 30 }];
  const engine = await openEmbedded({ folder: folder.path, queues, diskFreeMin: 0 });
  const log = openLog({ level: "silent", isPretty: false });
  const hosted = [{ name: queue, concurrency, ratePerHour, burst: undefined, timeoutMs: 30_000 }];
  const host = new EngineHost({ engine, queues: hosted, clock, log, lookEveryMs: 5 });
  return {
    engine,
    connect() {
      const { promise: stuck, resolve: onStuck } = Promise.withResolvers<void>();
      const connection: Connection = host.connect({
        send: (answers) => remote.receive(structuredClone(answers)),
        onStuck: () => onStuck(),
      });
      const remote = new RemoteEngine({
        clock: systemClock,
        send: (messages) => connection.receive(structuredClone(messages)),
        writeBegin: (record) => {
          for (const byte of record) connection.receiveBegins(Buffer.of(byte)); // cut as unkindly as can be
        },
      });
      return {
        remote,
        stuck,
        receive: (received) => connection.receive(received),
        die: () => connection.gone({ isCrash: true }),
        beKilled: () => connection.gone({ isCrash: false }),
      };
    },
    async accept(count) {
      const request: NewRequest = {
        queue,
        key: undefined,
        contentType: "a/b",
        headers: undefined,
        body: Buffer.from("x"),
      };
      await engine.accept(Array.from({ length: count }, () => request));
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await engine.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function take({ remote }: Side, max: number, signal = new AbortController().signal): Promise<readonly Delivery[]> {
  return remote.deliver({ queue, max, signal });
}

/** How many there are at a time: a suspect comes alone. */
async function takeAll(side: Side): Promise<number> {
  const deliveries = await take(side, 100);
  for (const { claim } of deliveries) await side.remote.settle(claim, done);
  return deliveries.length;
}

async function countsOf({ engine }: Rig) {
  const [status] = await engine.backlog();
  if (status === undefined) throw new Error("the queue is known");
  return status.counts;
}

test("what a handler says to the parent process is no message of ours", async () => {
  await using rig = await openRig();
  const side = rig.connect();
  await rig.accept(1);
  const [delivery] = await take(side, 1);
  const claim = delivery?.claim;
  const said: readonly unknown[] = [
    "ready",
    null,
    7,
    { type: "ready" },
    [null, "ready", 7, {}, { verb: "toString" }, { verb: "shout", call: 1 }],
    [{ verb: "settle", call: 7, claim: null, outcome: null }],
    [{ verb: "settle", call: 7, claim: { id: 1, queue, token: "x" }, outcome: {} }],
    [
      { verb: "report", claim },
      { verb: "report", claim, progress: "{" },
      { verb: "attend", queue: 5 },
    ],
  ];
  for (const words of said) side.receive(words);
  assert.equal((await countsOf(rig)).running, 1);
  assert.equal(claim && (await side.remote.settle(claim, done)), "settled");
});

const numbers: Readonly<Record<string, readonly unknown[]>> = {
  "not numbers": [Number.NaN, Number.POSITIVE_INFINITY, "7", 7n, null],
  "not whole": [0.5, 1e-300],
  "out of bounds": [-1, 1e300, Number.MAX_SAFE_INTEGER + 1],
};

for (const [kind, values] of Object.entries(numbers)) {
  test(`numbers that are ${kind} do not reach the engine, and the process is served on`, async () => {
    await using rig = await openRig();
    const side = rig.connect();
    await rig.accept(2);
    const [delivery] = await take(side, 1);
    const claim = (delivery as Delivery).claim;
    const failure = { code: "handler-threw", message: "no" };
    for (const value of values) {
      side.receive([
        { verb: "deliver", call: 1e12, queue, max: value },
        { verb: "deliver", call: value, queue, max: 1 },
        { verb: "deliver", call: 1e12, queue, max: 1, retries: { first: value, most: 1 } },
        { verb: "deliver", call: 1e12, queue, max: 1, retries: { first: 1, most: value } },
        { verb: "starts", call: 1e12, ask: { queue, ratePerHour: 1, burst: undefined, wanted: value } },
        { verb: "retry", call: 1e12, claim, options: { dueAt: value, isCounted: true, failure } },
        { verb: "retry", call: 1e12, claim: { ...claim, token: value }, options: { dueAt: 0, isCounted: true } },
        { verb: "settle", call: value, claim, outcome: done },
        { verb: "abandon", deliver: value },
      ]);
    }
    const { granted } = await side.remote.starts({ queue, ratePerHour: 1, burst: undefined, wanted: 3 });
    assert.equal(granted, 3, "the queue has no rate");
    const { waiting, scheduled, running } = await countsOf(rig);
    assert.deepEqual({ waiting, scheduled, running }, { waiting: 1, scheduled: 0, running: 1 });
    assert.equal(await takeAll(side), 1);
    assert.equal(await side.remote.settle(claim, done), "settled");
  });
}

test("an outcome or an error that is none does not reach the engine", async () => {
  await using rig = await openRig();
  const side = rig.connect();
  await rig.accept(1);
  const [delivery] = await take(side, 1);
  const claim = (delivery as Delivery).claim;
  const result = { contentType: "text/plain", bytes: Buffer.from("ok") };
  const outcomes: readonly unknown[] = [
    {},
    { kind: "waiting" },
    { kind: "done" },
    { kind: "done", result: { ...result, contentType: 7 } },
    { kind: "done", result: { ...result, bytes: "ok" } },
    { kind: "dead" },
    { kind: "dead", failure: { code: 1, message: "no" } },
    { kind: "dead", failure: { code: "no", message: {} } },
  ];
  for (const outcome of outcomes) side.receive([{ verb: "settle", call: 1e12, claim, outcome }]);
  side.receive([
    { verb: "settle", call: 1e12, claim: { ...claim, id: "7" }, outcome: done },
    { verb: "retry", call: 1e12, claim, options: { dueAt: 0 } },
    { verb: "retry", call: 1e12, claim, options: { dueAt: 0, isCounted: true, failure: "no" } },
  ]);
  await side.remote.starts({ queue, ratePerHour: 1, burst: undefined, wanted: 1 }); // answered after all of them
  assert.equal((await countsOf(rig)).running, 1);
  assert.equal(await side.remote.settle(claim, done), "settled");
});

test("bodies and results cross byte for byte", async () => {
  await using rig = await openRig();
  const side = rig.connect();
  await rig.accept(1);
  const [delivery] = await take(side, 1);
  assert.deepEqual(delivery && Buffer.from(delivery.request.body), Buffer.from("x"));
  assert.equal(delivery && (await side.remote.settle(delivery.claim, done)), "settled");
  const result = delivery && (await rig.engine.readResult(delivery.claim.id));
  assert.deepEqual(result && Buffer.from(result.bytes), Buffer.from("ok"));
});

test("of a process that dies what had begun has a crash on its account, and only that (I4)", async () => {
  await using rig = await openRig();
  await rig.accept(3);
  for (let deaths = 0; deaths < 2; deaths += 1) {
    const side = rig.connect();
    const deliveries = await take(side, 3);
    assert.equal(deliveries.length, 3);
    side.remote.began((deliveries[1] as Delivery).claim);
    await side.die();
  }
  const counts = await countsOf(rig);
  assert.deepEqual([counts.waiting, counts.running], [3, 0]);
  const survivor = rig.connect();
  assert.equal(await takeAll(survivor), 1, "the suspect runs alone");
  assert.equal(await takeAll(survivor), 2);
});

test("what had ended when the process died is not run again, nor has it a crash on its account", async () => {
  await using rig = await openRig();
  await rig.accept(2);
  const side = rig.connect();
  const [first, second] = (await take(side, 2)) as [Delivery, Delivery];
  side.remote.began(first.claim);
  void side.remote.settle(first.claim, done).catch(() => {});
  side.remote.began(second.claim); // sends what was said before
  await side.die();
  const counts = await countsOf(rig);
  assert.deepEqual([counts.done, counts.waiting, counts.running], [1, 1, 0]);
});

test("a process that the pool had to kill has nothing on anybody's account", async () => {
  await using rig = await openRig();
  await rig.accept(2);
  for (let kills = 0; kills < 6; kills += 1) {
    const side = rig.connect();
    for (const { claim } of await take(side, 2)) side.remote.began(claim);
    await side.beKilled();
  }
  assert.equal(await takeAll(rig.connect()), 2);
});

test("a process that does not tell the end of an attempt past its timeout is stuck, and no other", async () => {
  let ms = 0;
  await using rig = await openRig({ clock: { now: () => ms, monotonic: () => ms } });
  await rig.accept(4);
  const [stuck, slow, quick] = [rig.connect(), rig.connect(), rig.connect()];
  const [one] = await take(stuck, 1);
  stuck.remote.began((one as Delivery).claim);
  const [another] = await take(quick, 1);
  quick.remote.began((another as Delivery).claim);
  await quick.remote.settle((another as Delivery).claim, done);
  await take(slow, 1); // and has not begun it
  ms = 20_000;
  const [late] = await take(slow, 1);
  slow.remote.began((late as Delivery).claim);
  const stuckAt = stuck.stuck.then(() => ms);
  for (let commits = 0; commits < 10; commits += 1) await rig.accept(1); // while these are made, the host looks
  ms = 35_000;
  await Promise.race([
    stuck.stuck,
    slow.stuck.then(() => assert.fail("slow has 15 seconds left")),
    quick.stuck.then(() => assert.fail("quick has told the end")),
  ]);
  assert.equal(await stuckAt, 35_000);
});

test("concurrency holds over all processes, and the end of one makes room for another", async () => {
  await using rig = await openRig({ concurrency: 3 });
  await rig.accept(10);
  const [one, other] = [rig.connect(), rig.connect()];
  const held = await take(one, 10);
  assert.equal(held.length, 3);
  const waiting = take(other, 10);
  await one.remote.retry((held[0] as Delivery).claim, { dueAt: 0, isCounted: false });
  assert.equal((await waiting).length, 1);
  const more = take(other, 10);
  await one.die();
  assert.equal((await more).length, 2);
});

test("a small burst is spread over the processes that wait", async () => {
  await using rig = await openRig();
  const sides = [rig.connect(), rig.connect(), rig.connect()];
  const taken = sides.map((side) => take(side, 50));
  await new Promise(setImmediate); // all three have asked
  await new Promise(setImmediate);
  await rig.accept(6);
  assert.deepEqual(
    (await Promise.all(taken)).map(({ length }) => length),
    [2, 2, 2],
  );
});

test("a deliver that is abandoned resolves to nothing, and takes nothing along", async () => {
  await using rig = await openRig();
  const side = rig.connect();
  const abort = new AbortController();
  const abandoned = take(side, 5, abort.signal);
  await new Promise(setImmediate);
  abort.abort();
  assert.deepEqual(await abandoned, []);
  await rig.accept(2);
  assert.equal(await takeAll(side), 2);
});

test("starts come out of one rate for all processes", async () => {
  await using rig = await openRig({ ratePerHour: 3_600 });
  const ask = { queue, ratePerHour: 3_600, burst: undefined, wanted: 5 };
  const first = await rig.connect().remote.starts(ask);
  const second = await rig.connect().remote.starts(ask);
  assert.equal(first.granted, 1);
  assert.equal(second.granted, 0);
  assert.ok(second.retryMs > 500 && second.retryMs <= 1_000, `${second.retryMs} ms`);
});

test("a process is present for its queues until it is gone", async () => {
  await using rig = await openRig();
  const side = rig.connect();
  side.receive([{ verb: "attend", queue }]); // as a handler can say it: the process is there once
  using presence = side.remote.attend(queue);
  presence.breakerOpen(true);
  await side.remote.starts({ queue, ratePerHour: 1, burst: undefined, wanted: 1 }); // answered after both
  const [present] = await rig.engine.backlog();
  assert.deepEqual([present?.workers, present?.breakersOpen], [1, 1]);
  await side.die();
  const [gone] = await rig.engine.backlog();
  assert.deepEqual([gone?.workers, gone?.breakersOpen], [0, 0]);
});

test("what a process holds is told by how far each delivery is", async () => {
  await using rig = await openRig();
  const side = rig.connect();
  using _presence = side.remote.attend(queue);
  await rig.accept(3);
  const [first, second] = await take(side, 3);
  side.remote.began(first?.claim ?? fail());
  side.remote.began(second?.claim ?? fail());
  await side.remote.starts({ queue, ratePerHour: 1, burst: undefined, wanted: 1 }); // answered after both
  const [status] = await rig.engine.backlog();
  assert.deepEqual(status?.deliveries, { claimed: 1, running: 2, committing: 0 });
  await side.die();
  assert.deepEqual((await rig.engine.backlog())[0]?.deliveries, { claimed: 0, running: 0, committing: 0 });
});

function fail(): never {
  throw new Error("three were accepted");
}

test("an error of the engine arrives with its code", async () => {
  await using rig = await openRig();
  const { remote } = rig.connect();
  const { signal } = new AbortController();
  await assert.rejects(remote.deliver({ queue: "nobody's", max: 1, signal }), { code: "unknown-queue" });
});
