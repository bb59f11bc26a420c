// The loop on a real store, with a platform in memory that passes the platforms' own contract.
import assert from "node:assert/strict";
import { once, EventEmitter } from "node:events";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { pino } from "pino";
import { systemClock } from "../core/clock.ts";
import { SluiceError } from "../core/errors.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import type { Leadership } from "../engine/leadership.ts";
import { openLog, type Logger } from "../telemetry/log.ts";
import { Meter } from "../telemetry/meter.ts";
import { openAutoscaler } from "./autoscaler.ts";
import { testPlatform } from "./platform-contract.ts";
import type { Platform } from "./platform.ts";

class MemoryPlatform extends EventEmitter implements Platform {
  readonly name = "process";
  count = 0;
  version = 0;
  /** Runs before the next scaling, once. */
  meanwhile: (() => void) | undefined;
  readonly scaled: number[] = [];

  replicas() {
    this.emit("read");
    return Promise.resolve({ replicas: this.count, version: String(this.version) });
  }

  scaleTo(replicas: number, version: string) {
    const { meanwhile } = this;
    this.meanwhile = undefined;
    meanwhile?.();
    if (version !== String(this.version)) return Promise.resolve("conflict" as const);
    this.count = replicas;
    this.version += 1;
    this.scaled.push(replicas);
    this.emit("scaled");
    return Promise.resolve("scaled" as const);
  }

  standDown() {
    this.emit("standDown");
    return Promise.resolve();
  }

  [Symbol.asyncDispose]() {
    return Promise.resolve();
  }
}

testPlatform("in memory", () => {
  const platform = new MemoryPlatform();
  return Promise.resolve({ platform, [Symbol.asyncDispose]: () => Promise.resolve() });
});

interface Given {
  readonly platform: MemoryPlatform;
  readonly leadership?: Leadership;
  readonly everyMs?: number;
  readonly meter?: Meter;
  readonly log?: Logger;
}

const silent = openLog({ level: "silent", isPretty: false });

async function openRig({ platform, leadership, everyMs = 10, meter, log = silent }: Given): Promise<AsyncDisposable> {
  await using opened = new AsyncDisposableStack();
  const folder = opened.use(await temporaryFolder());
  const queues = [{ name: "orders", backlogMax: 10, backlogBytesMax: 1_000 }];
  const engine = opened.use(await openEmbedded({ folder: folder.path, queues, diskFreeMin: 0 }));
  const goal = { min: 2, max: 4, maxWaitMs: 60_000, holdMs: 60_000, ratePerHour: undefined };
  const scaledQueues = [{ name: "orders", goal }];
  const isDryRun = false;
  const clock = systemClock;
  const loop = openAutoscaler({
    engine,
    platform,
    leadership,
    queues: scaledQueues,
    everyMs,
    isDryRun,
    clock,
    log,
    meter,
  });
  opened.defer(() => loop.close());
  return opened.move();
}

function leadershipOf(leads: () => boolean): Leadership {
  return { leads: async () => leads(), [Symbol.asyncDispose]: () => Promise.resolve() };
}

test("what somebody else asks for meanwhile is read, and decided on again at once", async () => {
  const platform = new MemoryPlatform();
  platform.meanwhile = () => {
    platform.count = 9;
    platform.version += 1;
  };
  const scaled = once(platform, "scaled");
  await using _rig = await openRig({ platform, everyMs: 600_000 });
  await scaled;
  assert.deepEqual([platform.scaled, platform.version], [[2], 2], "nine were found, and two are needed");
});

test("who does not lead scales nothing and stands down, until it leads", async () => {
  const platform = new MemoryPlatform();
  let leads = false;
  const stoodDown = once(platform, "standDown");
  await using _rig = await openRig({ platform, leadership: leadershipOf(() => leads) });
  await stoodDown;
  assert.deepEqual(platform.scaled, []);
  leads = true;
  await once(platform, "scaled");
  assert.deepEqual(platform.scaled, [2]);
});

test("a ledger that is out for a while ends nothing: the next look decides", async () => {
  const platform = new MemoryPlatform();
  let asked = 0;
  const leadership = leadershipOf(() => {
    asked += 1;
    if (asked < 3) throw new SluiceError("store-unavailable", "PostgreSQL cannot be reached");
    return true;
  });
  const scaled = once(platform, "scaled");
  await using _rig = await openRig({ platform, leadership });
  await scaled;
  assert.equal(asked, 3);
});

test("an autoscaler that cannot scale says so by a metric and a line of its log, and again when it is over", async () => {
  const platform = new MemoryPlatform();
  const meter = new Meter();
  const lines: string[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line) => void lines.push(line) });
  let isOut = true;
  const looked = new EventEmitter();
  const leadership = leadershipOf(() => {
    looked.emit("look");
    if (isOut) throw new SluiceError("unreachable", "Kubernetes cannot be used now");
    return true;
  });
  await using _rig = await openRig({ platform, leadership, meter, log });
  await once(looked, "look");
  await once(looked, "look"); // so that the first has come to its end
  assert.equal(await failing(meter), 1);
  isOut = false;
  await once(platform, "scaled");
  await once(looked, "look");
  assert.equal(await failing(meter), 0);
  const told = lines.map((line) => JSON.parse(line) as { msg: string; was?: string });
  assert.equal(told.filter(({ msg }) => msg === "nothing is scaled until this is over").length, 1);
  assert.equal(told.find(({ msg }) => msg === "scaling works again")?.was, "Kubernetes cannot be used now");
});

async function failing(meter: Meter): Promise<number | undefined> {
  const families = await meter.collect(assert.ifError);
  const family = families.find(({ name }) => name === "sluice.autoscaler.failing");
  return family?.kind === "counts" ? family.points[0]?.value : undefined;
}
