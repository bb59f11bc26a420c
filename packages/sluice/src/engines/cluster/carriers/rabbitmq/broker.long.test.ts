// RabbitMQ's side of the cluster engine, against real servers: a hint is there or it is not, and none is lost half way.
import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { freePort, type Rabbitmq, startProxy, startRabbitmq, startRabbitmqCluster } from "@sluice/testing";
import { type Channel, connect } from "amqplib";
import { pino } from "pino";
import { SluiceError } from "../../../../core/errors.ts";
import { type RequestId, requestIdOf } from "../../../../core/request-id.ts";
import { Broker } from "./broker.ts";
import type { ConsumeOptions, Consumption, HintMessage } from "../carrier.ts";
import { Outages, type OutageCode } from "../../outages.ts";
import { hintQueues } from "./topology.ts";

const prefix = "test";

interface Rig extends AsyncDisposable {
  readonly broker: Broker;
  readonly outages: Outages;
  readonly lines: string[];
}

function rigOf(url: string): Rig {
  const lines: string[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line: string) => void lines.push(line) });
  const outages = new Outages(log);
  const broker = new Broker({ url, name: "a test", prefix, outages, log });
  return { broker, outages, lines, [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose]() };
}

async function openRig(url: string): Promise<Rig> {
  const rig = rigOf(url);
  await rig.broker.connect();
  return rig;
}

/** What came of a queue: those that are still good. */
interface Taken extends Consumption {
  readonly hints: HintMessage[];
  readonly ids: () => readonly RequestId[];
  lost: number;
}

function take({ broker }: Rig, queue: string, options: Partial<ConsumeOptions> = {}): Taken {
  const hints: HintMessage[] = [];
  const { stop } = broker.consume({
    queue,
    prefetch: 1_000,
    onHints: (hint) => hints.push(hint),
    onLost: () => {
      taken.lost += 1;
      hints.length = 0;
    },
    ...options,
  });
  const taken: Taken = { hints, ids: () => hints.flatMap(({ ids }) => ids), lost: 0, stop };
  return taken;
}

let lastSeq = 0;
function newIds(count: number): readonly RequestId[] {
  return Array.from({ length: count }, () => requestIdOf((lastSeq += 1), randomBytes(8)));
}

let lastQueue = 0;
async function newQueue({ broker }: Rig): Promise<string> {
  const queue = `q${(lastQueue += 1)}`;
  assert.equal(await broker.declare(queue), "declared");
  return queue;
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, ms = 30_000): Promise<void> {
  const giveUp = AbortSignal.timeout(ms);
  while (!(await isSo())) {
    if (giveUp.aborted) assert.fail(`waited ${ms} ms until ${what}`);
    await delay(10);
  }
}

async function publish({ broker }: Rig, queue: string, ids = newIds(1)): Promise<boolean> {
  return broker.publisher.publish({ queue, kind: "fresh", ids });
}

function codes({ outages }: Rig): readonly string[] {
  return outages.list().map(({ code }) => code);
}

/** On a connection of its own, past what is tested. */
async function directly(url: string, act: (channel: Channel) => Promise<unknown>): Promise<void> {
  const connection = await connect(url);
  try {
    await act(await connection.createChannel());
  } finally {
    await connection.close();
  }
}

function portOf(url: string, port: number, query = ""): string {
  return `${url.replace(/:\d+$/, `:${port}`)}${query}`;
}

describe("the broker", { concurrency: true }, () => {
  let rabbitmq: Rabbitmq;
  before(async () => {
    rabbitmq = await startRabbitmq();
  });
  after(() => rabbitmq[Symbol.asyncDispose]());

  it("makes both lines of a queue once, and tells how much is in them", async () => {
    await using rig = await openRig(rabbitmq.url);
    const { broker } = rig;
    assert.deepEqual(await broker.depth("made"), { fresh: "missing", again: "missing" });
    assert.equal(await broker.verify("made"), "missing");
    assert.deepEqual(await broker.depth("made"), { fresh: "missing", again: "missing" }, "verify makes none");
    assert.equal(await broker.declare("made"), "declared");
    assert.equal(await broker.declare("made"), "present");
    assert.equal(await broker.verify("made"), "present");
    await broker.publisher.publish({ queue: "made", kind: "suspect", ids: newIds(2) });
    const empty = { ready: 0, consumers: 0 };
    await until("it is counted", async () => {
      const { again } = await broker.depth("made");
      return again !== "missing" && again.ready === 1;
    });
    assert.deepEqual((await broker.depth("made")).fresh, empty);
    await directly(rabbitmq.url, (channel) => channel.deleteQueue(hintQueues(prefix, "made").again));
    assert.deepEqual(await broker.depth("made"), { fresh: empty, again: "missing" });
    assert.equal(await broker.verify("made"), "missing");
    assert.equal(await broker.declare("made"), "declared");
    await broker.remove("made");
    assert.deepEqual(await broker.depth("made"), { fresh: "missing", again: "missing" });
  });

  it("refuses a queue of another kind, naming it and what RabbitMQ said", async () => {
    await using rig = await openRig(rabbitmq.url);
    const { fresh } = hintQueues(prefix, "classic");
    await directly(rabbitmq.url, (channel) => channel.assertQueue(fresh, { durable: true }));
    await assert.rejects(rig.broker.verify("classic"), (error: unknown) => {
      assert.ok(error instanceof SluiceError && error.code === "wrong-queue");
      assert.match(error.message, /test\.classic\.v1.*PRECONDITION_FAILED.*x-queue-type/);
      return true;
    });
    const rightType = { "x-queue-type": "quorum" };
    const { fresh: unlimited } = hintQueues(prefix, "unlimited");
    await directly(rabbitmq.url, (channel) => channel.assertQueue(unlimited, { arguments: rightType }));
    await assert.rejects(rig.broker.verify("unlimited"), /x-delivery-limit/);
    assert.deepEqual(rig.outages.list(), []);
  });

  it("cannot be reached: the error names the address, not the password", async () => {
    const port = await freePort();
    await using away = rigOf(`amqp://someone:secret@127.0.0.1:${port}`);
    await assert.rejects(away.broker.connect(), (error: unknown) => {
      assert.ok(error instanceof SluiceError && error.code === "unreachable");
      assert.match(error.message, new RegExp(`RabbitMQ at 127.0.0.1:${port} cannot be reached: .*ECONNREFUSED`));
      return true;
    });
    await using refused = rigOf(portOf(rabbitmq.url.replace("guest:guest", "guest:secret"), rabbitmq.port));
    await assert.rejects(refused.broker.connect(), (error: unknown) => {
      assert.ok(error instanceof SluiceError && error.code === "unreachable");
      assert.match(error.message, /ACCESS.REFUSED/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  });

  it("has a hint when it was confirmed, and has none that was returned", async () => {
    await using rig = await openRig(rabbitmq.url);
    const queue = await newQueue(rig);
    const results = await Promise.all(
      Array.from({ length: 100 }, (_one, index) => publish(rig, index % 2 === 0 ? queue : "nowhere")),
    );
    assert.deepEqual(
      results,
      results.map((_one, index) => index % 2 === 0),
    );
    const taken = take(rig, queue);
    await until("all are there", () => taken.hints.length === 50);
  });

  it("brings hints as they were published", async () => {
    await using rig = await openRig(rabbitmq.url);
    const queue = await newQueue(rig);
    const taken = take(rig, queue);
    const [first, second, third] = [newIds(3), newIds(1), newIds(2)];
    assert.ok(await rig.broker.publisher.publish({ queue, kind: "fresh", ids: first }));
    assert.ok(await rig.broker.publisher.publish({ queue, kind: "again", ids: second }));
    assert.ok(await rig.broker.publisher.publish({ queue, kind: "suspect", ids: third }));
    await until("all are there", () => taken.hints.length === 3);
    const shown = taken.hints.map(({ kind, ids }) => ({ kind, ids }));
    const wanted = [
      { kind: "fresh", ids: first },
      { kind: "again", ids: second },
      { kind: "suspect", ids: third },
    ];
    const byKind = (one: { kind: string }, other: { kind: string }): number => one.kind.localeCompare(other.kind);
    assert.deepEqual(shown.sort(byKind), wanted.sort(byKind));
  });

  it("drops what is no hint, and says so", async () => {
    await using rig = await openRig(rabbitmq.url);
    const queue = await newQueue(rig);
    const { fresh } = hintQueues(prefix, queue);
    await directly(rabbitmq.url, async (channel) => {
      channel.sendToQueue(fresh, Buffer.from("rubbish"), { type: "fresh" });
      channel.sendToQueue(fresh, Buffer.from(newIds(1).join()), { type: "unheard-of" });
      channel.sendToQueue(fresh, Buffer.alloc(0), { type: "again" });
      await channel.checkQueue(fresh);
    });
    const taken = take(rig, queue);
    await until("all are dropped", () => rig.lines.filter((line) => line.includes("no hint")).length === 3);
    assert.ok(await publish(rig, queue));
    await until("the good one is there", () => taken.hints.length === 1);
    await taken.stop();
    await until("one is left", async () => {
      const { fresh: depth } = await rig.broker.depth(queue);
      return depth !== "missing" && depth.ready === 1;
    });
    assert.equal(taken.lost, 0);
  });

  it("hands out again exactly what was not done", async () => {
    await using rig = await openRig(rabbitmq.url);
    const queue = await newQueue(rig);
    const all = newIds(400);
    await Promise.all(all.map((id) => publish(rig, queue, [id])));
    const taken = take(rig, queue);
    await until("all are there", () => taken.hints.length === all.length);
    const left = new Set(all);
    // In any order, some in one turn of the event loop, now and then twice, and some of them never.
    const open = [...taken.hints];
    while (open.length > 40) {
      for (let count = randomInt(1, 30); count > 0 && open.length > 40; count -= 1) {
        const near = Math.min(open.length, randomInt(1, 60));
        const [hint] = open.splice(randomInt(near), 1) as [HintMessage];
        hint.done();
        if (randomInt(4) === 0) hint.done();
        for (const id of hint.ids) left.delete(id);
      }
      if (randomInt(3) > 0) await turn();
    }
    // RabbitMQ gathers acknowledgements, and forgets those it has not come to when the channel is closed.
    await until("all are acknowledged", async () => (await count(rabbitmq, queue)) === left.size);
    await taken.stop();
    assert.equal(taken.lost, 0, "no acknowledgement was refused");
    taken.hints.forEach(({ done }) => done()); // too late: void
    const again = take(rig, queue);
    await until("the others are there", () => again.hints.length >= left.size);
    assert.deepEqual(new Set(again.ids()), left);
    again.hints.forEach(({ done }) => done());
    await again.stop();
    const third = take(rig, queue);
    const marker = newIds(1);
    await publish(rig, queue, marker);
    await until("the marker is there", () => third.hints.length > 0);
    assert.deepEqual(third.ids(), marker);
  });

  it("keeps to the prefetch", async () => {
    await using rig = await openRig(rabbitmq.url);
    const queue = await newQueue(rig);
    const taken = take(rig, queue, { prefetch: 2 });
    await Promise.all(newIds(5).map((id) => publish(rig, queue, [id])));
    await until("two are there", () => taken.hints.length === 2);
    taken.hints[1]?.done();
    await until("a third is there", () => taken.hints.length === 3);
    const { fresh } = await rig.broker.depth(queue);
    assert.deepEqual(fresh, { ready: 2, consumers: 1 });
  });

  it("heals when a queue is deleted under its consumer", async () => {
    await using rig = await openRig(rabbitmq.url);
    const queue = await newQueue(rig);
    const taken = take(rig, queue);
    assert.ok(await publish(rig, queue));
    await until("it is there", () => taken.hints.length === 1);
    const [old] = taken.hints;
    await directly(rabbitmq.url, (channel) => channel.deleteQueue(hintQueues(prefix, queue).fresh));
    await until("the hints are void", () => taken.lost > 0 && taken.hints.length === 0);
    assert.equal(await publish(rig, queue), false);
    old?.done();
    assert.equal(await rig.broker.declare(queue), "declared");
    const ids = newIds(1);
    assert.ok(await publish(rig, queue, ids));
    await until("the new one is there", () => taken.hints.length === 1);
    assert.deepEqual(taken.ids(), ids);
    assert.deepEqual(rig.outages.list(), []);
  });

  it("comes back after its connections were reset", async () => {
    await using proxy = await startProxy({ port: rabbitmq.port });
    await using rig = await openRig(portOf(rabbitmq.url, proxy.port));
    const queue = await newQueue(rig);
    const taken = take(rig, queue);
    const ids = newIds(1);
    assert.ok(await publish(rig, queue, ids));
    await until("it is there", () => taken.hints.length === 1);
    proxy.cut();
    await until("the outage is seen", () => codes(rig).includes("broker-unavailable"));
    assert.match(
      rig.outages.list()[0]?.message ?? "",
      new RegExp(`RabbitMQ at 127.0.0.1:${proxy.port} cannot be reached`),
    );
    assert.equal(await publish(rig, queue), false);
    await assert.rejects(rig.broker.depth(queue), { code: "unreachable" });
    await until("the hints are void", () => taken.lost === 1);
    proxy.restore();
    await until("it comes again", () => taken.hints.length === 1);
    assert.deepEqual(taken.ids(), ids);
    await until("it publishes again", () => publish(rig, queue));
    assert.deepEqual(rig.outages.list(), []);
    const told = rig.lines.map((line) => JSON.parse(line)).filter(({ code }) => code === "broker-unavailable");
    assert.deepEqual(
      told.map(({ level }) => level),
      [40, 30],
      "one line for the outage, one for its end",
    );
  });

  it("publishes in the end, though it was lost in the moment in which it first came up", async () => {
    await using proxy = await startProxy({ port: Number(new URL(rabbitmq.url).port) });
    let ups = 0;
    class CutWhenUp extends Outages {
      override end(code: OutageCode): void {
        super.end(code);
        if (code === "broker-unavailable" && (ups += 1) === 2) proxy.cut();
      }
    }
    const log = pino({ level: "silent" });
    const url = portOf(rabbitmq.url, proxy.port);
    await using broker = new Broker({ url, name: "a test", prefix, outages: new CutWhenUp(log), log });
    await broker.connectPatiently();
    proxy.restore();
    await until("it can declare", () =>
      broker.declare("late").then(
        () => true,
        () => false,
      ),
    );
    await until("it publishes", () => broker.publisher.publish({ queue: "late", kind: "fresh", ids: newIds(1) }));
  });

  it("sees by its heartbeats that a connection is half open", async () => {
    await using proxy = await startProxy({ port: rabbitmq.port });
    await using rig = await openRig(portOf(rabbitmq.url, proxy.port, "?heartbeat=1"));
    const queue = await newQueue(rig);
    const taken = take(rig, queue);
    assert.ok(await publish(rig, queue));
    await until("it is there", () => taken.hints.length === 1);
    proxy.freeze();
    const underWay = publish(rig, queue);
    const more = await Promise.all([underWay, ...Array.from({ length: 6_000 }, () => publish(rig, queue))]);
    assert.ok(
      more.every((isPublished) => !isPublished),
      "what was on its way is not there for certain",
    );
    await until("the outage is seen", () => codes(rig).includes("broker-unavailable") && taken.lost === 1);
    proxy.thaw();
    await until("it publishes again", () => publish(rig, queue));
    await until("hints come again", () => taken.hints.length > 0);
  });

  it("holds 5,000 unconfirmed hints and no more", async () => {
    await using proxy = await startProxy({ port: rabbitmq.port });
    await using rig = await openRig(portOf(rabbitmq.url, proxy.port));
    const queue = await newQueue(rig);
    proxy.freeze();
    let refused = 0;
    const results = Array.from({ length: 5_100 }, async () => {
      const isPublished = await publish(rig, queue);
      if (!isPublished) refused += 1;
      return isPublished;
    });
    await turn();
    assert.equal(refused, 100);
    proxy.thaw();
    assert.equal((await Promise.all(results)).filter(Boolean).length, 5_000);
  });

  it("goes on with the next node when one is silent", async () => {
    await using one = await startProxy({ port: rabbitmq.port });
    await using other = await startProxy({ port: rabbitmq.port });
    await using rig = await openRig(`amqp://guest:guest@127.0.0.1:${one.port},127.0.0.1:${other.port}?heartbeat=1`);
    const queue = await newQueue(rig);
    const taken = take(rig, queue);
    await until("hints come", async () => (await publish(rig, queue)) && taken.hints.length > 0);
    one.freeze();
    const ids = newIds(1);
    await until("none is left on the silent one", () => other.connections >= 2);
    await until("it publishes", () => publish(rig, queue, ids));
    await until("hints come", () => taken.ids().includes(ids[0] as RequestId));
    assert.deepEqual(rig.outages.list(), []);
  });

  it("lets go at once, also of connections that are half open, and twice", async () => {
    await using proxy = await startProxy({ port: rabbitmq.port });
    const rig = await openRig(portOf(rabbitmq.url, proxy.port));
    const queue = await newQueue(rig);
    take(rig, queue);
    proxy.freeze();
    const underWay = publish(rig, queue);
    const from = performance.now();
    await Promise.all([rig.broker[Symbol.asyncDispose](), rig.broker[Symbol.asyncDispose]()]);
    assert.ok(performance.now() - from < 8_000);
    assert.equal(await underWay, false);
    assert.equal(await publish(rig, queue), false);
  });
});

describe("a broker in distress", { concurrency: false }, () => {
  const resources = new AsyncDisposableStack();
  let rabbitmq: Rabbitmq;
  before(async () => {
    rabbitmq = resources.use(await startRabbitmq());
  });
  after(() => resources.disposeAsync());

  it("has what it confirmed, and brings what was not done, after it was killed", async () => {
    const first = rabbitmq;
    await using rig = await openRig(first.url);
    const queue = await newQueue(rig);
    const taken = take(rig, queue);
    const [done, kept] = [newIds(1), newIds(1)];
    assert.ok(await publish(rig, queue, done));
    await until("it is there", () => taken.hints.length === 1);
    taken.hints.pop()?.done();
    await until("it is acknowledged", async () => (await count(first, queue)) === 0);
    assert.ok(await publish(rig, queue, kept));
    await until("the second is there", () => taken.hints.length === 1);
    // RabbitMQ 3.10 forgets what is in a queue that was made less than a second before it is killed: see that it is older.
    await first.ctl("eval", "dets:sync(ra_directory_reverse).");
    first.kill("SIGKILL");
    await until("the outage is seen", () => codes(rig).includes("broker-unavailable"));
    assert.equal(await publish(rig, queue), false);
    await first.exited;
    rabbitmq = resources.use(await startRabbitmq({ folder: first.folder, port: first.port }));
    await until("it comes again", () => taken.hints.length > 0);
    assert.deepEqual(taken.ids(), kept);
    await until("it publishes again", () => publish(rig, queue));
    assert.deepEqual(rig.outages.list(), []);
  });

  it("takes no hints during a memory alarm, says so, and takes acknowledgements all the same", async () => {
    await using rig = await openRig(rabbitmq.url);
    const queue = await newQueue(rig);
    const taken = take(rig, queue);
    assert.ok(await publish(rig, queue));
    await until("it is there", () => taken.hints.length === 1);
    await rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1000");
    const results: Promise<boolean>[] = [];
    await until("it is blocked", () => {
      if (codes(rig).includes("broker-blocked")) return true;
      results.push(publish(rig, queue)); // RabbitMQ says so to those that publish
      return false;
    });
    assert.equal(await publish(rig, queue), false);
    await rig.broker.depth(queue);
    taken.hints[0]?.done();
    await until("it is acknowledged", async () => (await count(rabbitmq, queue)) === 0);
    await rabbitmq.ctl("set_vm_memory_high_watermark", "0.4");
    await until("it publishes again", () => publish(rig, queue));
    assert.ok((await Promise.all(results)).every(Boolean), "what was on its way is there");
    assert.deepEqual(rig.outages.list(), []);
  });

  it("gives up a channel on which RabbitMQ refused a hint, as it may refuse there for ever", async () => {
    await using rig = await openRig(rabbitmq.url);
    const queue = await newQueue(rig);
    const full = JSON.stringify({ "max-length": 1, overflow: "reject-publish" });
    await rabbitmq.ctl("set_policy", "full", `^${prefix}\\.${queue}\\.`, full, "--apply-to", "queues");
    const channels = async (): Promise<readonly string[]> => {
      const listed = await rabbitmq.ctl("list_channels", "--silent", "pid", "confirm");
      return listed.split("\n").filter((row) => row.endsWith("true"));
    };
    const [first] = await channels();
    await until("a hint is refused", async () => !(await publish(rig, queue)));
    await until("its channel has gone", async () => !(await channels()).includes(first as string));
    await rabbitmq.ctl("clear_policy", "full");
    await until("it publishes", () => publish(rig, queue));
  });

  it("says so when a queue takes hints and confirms none, as after a full disk, and when it does again", async () => {
    await using rig = await openRig(rabbitmq.url);
    const queue = await newQueue(rig);
    assert.ok(await publish(rig, queue));
    const leader = `whereis('%2F_${hintQueues(prefix, queue).fresh}')`;
    await rabbitmq.ctl("eval", `sys:suspend(${leader}).`);
    const unconfirmed = publish(rig, queue);
    await until("it is told", () => codes(rig).includes("broker-blocked"), 60_000);
    assert.match(rig.outages.list()[0]?.message ?? "", /has not confirmed what it took 30 s ago.*restarted/);
    assert.equal(await unconfirmed, false);
    await rabbitmq.ctl("eval", `sys:resume(${leader}).`);
    await until("it publishes again", () => publish(rig, queue));
    assert.deepEqual(rig.outages.list(), []);
  });
});

/** Hints in the fresh line, with those that are not acknowledged, which a passive declaration does not count. */
async function count(rabbitmq: Rabbitmq, queue: string): Promise<number> {
  const { fresh } = hintQueues(prefix, queue);
  const lines = await rabbitmq.ctl("-q", "list_queues", "name", "messages");
  const [, messages] =
    lines
      .split("\n")
      .map((line) => line.split("\t"))
      .find(([name]) => name === fresh) ?? [];
  return Number(messages);
}

describe("a broker of several nodes", { concurrency: false }, () => {
  it("goes on with the next node when one dies, and comes back after all were gone", async () => {
    await using cluster = await startRabbitmqCluster();
    await using rig = await openRig(cluster.url);
    const queue = await newQueue(rig);
    const taken = take(rig, queue);
    const goesOn = async (what: string): Promise<void> => {
      const ids = newIds(1);
      const from = performance.now();
      // One that was held back, or published again, comes as well.
      await until(`it publishes ${what}`, () => publish(rig, queue, ids), 60_000);
      await until(`hints come ${what}`, () => ids.every((id) => taken.ids().includes(id)));
      await until(`no outage is left ${what}`, () => codes(rig).length === 0);
      const tookMs = Math.round(performance.now() - from);
      assert.ok(tookMs < 30_000, `${tookMs} ms ${what}`);
    };
    await goesOn("at first");
    await cluster.kill(await nodeOf(cluster.running, "a test consuming"));
    await goesOn("after the node of the consumers died");
    await cluster.heal();
    await cluster.kill(await nodeOf(cluster.running, "a test publishing"));
    await goesOn("after the node of the publisher died");
    await cluster.heal();
    await Promise.all(cluster.running.map((node) => cluster.kill(node)));
    await until("the outage is seen", () => codes(rig).includes("broker-unavailable"));
    await cluster.heal();
    await goesOn("after all were gone");
  });
});

/** The node that has the connection of this name. */
async function nodeOf(nodes: readonly Rabbitmq[], connection: string): Promise<Rabbitmq> {
  const listed = await nodes[0]?.ctl("list_connections", "--silent", "pid", "client_properties");
  const row = listed?.split("\n").find((line) => line.includes(connection));
  // A process id as <sluice-17040@localhost.1736.0.0>
  const node = nodes.find(({ nodeName }) => row?.startsWith(`<${nodeName}.`));
  assert.ok(node, `${connection} is on none of the nodes: ${listed}`);
  return node;
}
