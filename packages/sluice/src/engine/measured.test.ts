import assert from "node:assert/strict";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { SluiceError } from "../core/errors.ts";
import type { NewRequest, Outcome } from "../core/request.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { Meter } from "../telemetry/meter.ts";
import type { Engine } from "./engine.ts";
import { commitMeter, measured } from "./measured.ts";

interface Rig extends AsyncDisposable {
  readonly engine: Engine;
  /** The values of a metric, by what its labels say. */
  values(name: string): Promise<Readonly<Record<string, number>>>;
}

const outcome: Outcome = { kind: "done", result: { contentType: "text/plain", bytes: Buffer.from("y") } };

/** A measured engine, with more verbs if wished. */
async function rig(more: (engine: Engine) => Partial<Engine> = () => ({})): Promise<Rig> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  const queues = [{ name: "orders", backlogMax: 3, backlogBytesMax: 1_000 }];
  const meter = new Meter();
  const opening = { folder: folder.path, queues, diskFreeMin: 0, onCommit: commitMeter(meter) };
  const embedded = await openEmbedded(opening);
  const engine = opened.use(measured(Object.assign(embedded, more(embedded)), meter));
  const resources = opened.move();
  return {
    engine,
    async values(name) {
      const families = await meter.collect((error) => assert.fail(String(error)));
      const points = families.find((family) => family.name === name)?.points ?? [];
      return Object.fromEntries(
        points.map((point) => [
          Object.values(point.labels)
            .filter((value) => value !== "sluice" && value !== "orders")
            .join(" "),
          "count" in point ? point.count : point.value,
        ]),
      );
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  };
}

function request(key?: string, body = "x"): NewRequest {
  return { queue: "orders", key, contentType: "text/plain", headers: undefined, body: Buffer.from(body) };
}

test("the carriers of a cluster are one series, and one process has none", async () => {
  await using alone = await rig();
  assert.deepEqual(await alone.values("sluice.carrier.info"), {});
  await using carried = await rig(() => ({ carriers: { hints: "postgres", notices: "redis" } }));
  assert.deepEqual(await carried.values("sluice.carrier.info"), { "postgres redis": 1 });
  assert.deepEqual(carried.engine.carriers, { hints: "postgres", notices: "redis" });
});

test("what is accepted, repeated and refused is counted apart", async () => {
  await using sut = await rig();
  await sut.engine.accept([request("a"), request("b")]);
  await sut.engine.accept([request("a")]);
  await sut.engine.accept([request("a", "other")]);
  await sut.engine.accept([request(), request(), request()]); // over the bound
  await assert.rejects(sut.engine.accept([{ ...request(), queue: "none" }]), SluiceError);
  assert.deepEqual(await sut.values("messaging.client.sent.messages"), { accept: 3, "none accept": 0 });
  const duplicates = await sut.values("sluice.duplicates.refused");
  assert.deepEqual([duplicates["repeat"], duplicates["key-reused"], duplicates["outcome"]], [1, 1, 0]);
  const durations = await sut.values("messaging.client.operation.duration");
  assert.equal(durations["accept "], 4);
  assert.equal(durations["none accept unknown-queue"], 1);
});

test("deliveries and outcomes are counted, and a second outcome as refused", async () => {
  await using sut = await rig();
  await sut.engine.accept([request()]);
  const signal = AbortSignal.timeout(10_000);
  const [delivery] = await sut.engine.deliver({ queue: "orders", max: 1, signal });
  assert.ok(delivery);
  assert.equal(await sut.engine.settle(delivery.claim, outcome), "settled");
  assert.equal(await sut.engine.settle(delivery.claim, outcome), "superseded");
  assert.deepEqual(await sut.values("messaging.client.consumed.messages"), { deliver: 1 });
  assert.equal((await sut.values("sluice.duplicates.refused"))["outcome"], 1);
  assert.equal((await sut.values("messaging.client.operation.duration"))["settle "], 2);
});

test("a handler and its outcome in one transaction are timed apart, and a second outcome is counted", async () => {
  // The embedded engine has no transactions: its own settle ends these, as the cluster's does inside one.
  await using sut = await rig((engine) => ({
    transact: async (claim, work) => {
      const outcome = await work({ query: async () => ({ rows: [], rowCount: 0 }) });
      return outcome === undefined ? "rolled-back" : engine.settle(claim, outcome);
    },
  }));
  await sut.engine.accept([request()]);
  const [delivery] = await sut.engine.deliver({ queue: "orders", max: 1, signal: new AbortController().signal });
  assert.ok(delivery);
  const ends: unknown[] = [];
  for (const end of [undefined, outcome, outcome])
    ends.push(await sut.engine.transact?.(delivery.claim, async () => end));
  assert.deepEqual(ends, ["rolled-back", "settled", "superseded"]);
  const durations = await sut.values("messaging.client.operation.duration");
  assert.deepEqual([durations["transact "], durations["settle "]], [3, 0]);
  assert.equal((await sut.values("sluice.duplicates.refused"))["outcome"], 1);
});

test("each commit is told with how many calls shared it", async () => {
  await using sut = await rig();
  await Promise.all([sut.engine.accept([request()]), sut.engine.accept([request()])]);
  assert.equal((await sut.values("sluice.commit.batch"))["all"], 1);
  assert.equal((await sut.values("sluice.commit.duration"))["all"], 1);
});

test("the last audit is shown, and none before the first", async () => {
  await using sut = await rig();
  await sut.engine.accept([request()]);
  assert.deepEqual(await sut.values("sluice.audit.missing"), {});
  await sut.engine.audit();
  assert.deepEqual(await sut.values("sluice.audit.missing"), { "": 0 });
  assert.deepEqual(await sut.values("sluice.audit.holds"), { "": 1 });
});
