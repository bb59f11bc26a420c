// Worker processes without the processes: both ends on a real engine, and what they say crosses as a copy.
import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { systemClock } from "../../core/clock.ts";
import type { Delivery, NewRequest, Outcome } from "../../core/request.ts";
import type { Engine } from "../../engine/engine.ts";
import { openEmbedded } from "../../engines/embedded/open.ts";
import { openLog } from "../../telemetry/log.ts";
import { EngineHost, type Connection } from "./engine-host.ts";
import { RemoteEngine } from "./remote-engine.ts";

const queue = "orders";
const done: Outcome = { kind: "done", result: { contentType: "text/plain", bytes: Buffer.from("ok") } };

interface Side {
  readonly remote: RemoteEngine;
  /** The process dies: what was said before has arrived. */
  die(): Promise<void>;
  /** The pool had to kill it. */
  beKilled(): Promise<void>;
}

interface Rig extends AsyncDisposable {
  readonly engine: Engine;
  connect(): Side;
  accept(count: number): Promise<void>;
}

async function openRig({ concurrency = 100, ratePerHour = undefined as number | undefined } = {}): Promise<Rig> {
  const folder = await temporaryFolder();
  const queues = [{ name: queue, backlogMax: 1_000, backlogBytesMax: 2 ** 30 }];
  const engine = await openEmbedded({ folder: folder.path, queues, diskFreeMin: 0 });
  const log = openLog({ level: "silent", isPretty: false });
  const hosted = [{ name: queue, concurrency, ratePerHour, burst: undefined }];
  const host = new EngineHost({ engine, queues: hosted, clock: systemClock, log });
  return {
    engine,
    connect() {
      const connection: Connection = host.connect((answers) => remote.receive(structuredClone(answers)));
      const remote = new RemoteEngine({
        clock: systemClock,
        send: (messages) => connection.receive(structuredClone(messages)),
        writeBegin: (record) => {
          for (const byte of record) connection.receiveBegins(Buffer.of(byte)); // cut as unkindly as can be
        },
      });
      return {
        remote,
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
  using _presence = side.remote.attend(queue);
  await side.remote.starts({ queue, ratePerHour: 1, burst: undefined, wanted: 1 }); // answered after the attend
  assert.equal((await rig.engine.backlog())[0]?.workers, 1);
  await side.die();
  assert.equal((await rig.engine.backlog())[0]?.workers, 0);
});

test("an error of the engine arrives with its code", async () => {
  await using rig = await openRig();
  const { remote } = rig.connect();
  const { signal } = new AbortController();
  await assert.rejects(remote.deliver({ queue: "nobody's", max: 1, signal }), { code: "unknown-queue" });
});
