// Schedules on a real store, by a clock that the tests set: which ticks become requests, over outages, refusals and set clocks.
import { deepEqual, equal, fail, ok } from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { temporaryFolder, type TemporaryFolder } from "@sluice/testing";
import { everyTicks, type MissedPolicy } from "../core/schedule.ts";
import type { Engine } from "../engine/engine.ts";
import { openEmbedded } from "../engines/embedded/open.ts";
import { openLog } from "../telemetry/log.ts";
import { Schedules, type PreparedSchedule } from "./schedules.ts";

const log = openLog({ level: "silent", isPretty: false });
const dayMs = 86_400_000;
const quarterMs = 900_000;
const full = "full";

let now = 0;
const clock = { now: () => now, monotonic: () => performance.now() };
let folder: TemporaryFolder;
let engine: Engine;
/** Each test has queues of its own in the one store. */
const names = Array.from({ length: 20 }, (_, no) => `queue-${no}`);
before(async () => {
  folder = await temporaryFolder();
  const queues = [full, ...names].map((name) => ({
    name,
    backlogMax: name === full ? 1 : 100,
    backlogBytesMax: 10 ** 9,
  }));
  engine = await openEmbedded({ folder: folder.path, queues, diskFreeMin: 0, clock });
});
after(async () => {
  await engine.close();
  await folder[Symbol.asyncDispose]();
});

/** Sets the clock to a time of a day, as "12:15"; the first unless its number is given. */
function set(time: string, day = 1): void {
  now = Date.parse(`2026-03-01T${time}:00Z`) + (day - 1) * dayMs;
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (const signal = AbortSignal.timeout(10_000); !(await isTrue()); await sleep(2))
    if (signal.aborted) fail("it did not come to that within ten seconds");
}

interface ScheduleFields {
  readonly missed?: MissedPolicy;
  readonly body?: string;
  readonly everyMs?: number;
}

/** Each quarter of an hour into its queue, whose name it has, unless it says otherwise. */
function schedule(queue: string, { missed = "last", body = "{}", everyMs = quarterMs }: ScheduleFields = {}) {
  const beat = { kind: "every", text: `${everyMs}ms`, everyMs } as const;
  const ticks = everyTicks(everyMs);
  return { name: queue, queue, beat, missed, body: Buffer.from(body), callback: undefined, ticks };
}

interface Process extends AsyncDisposable {
  readonly schedules: Schedules;
  /** Keys that it has tried to accept, as often as it did. */
  readonly tried: readonly (string | undefined)[];
}

/** As a process that starts with these, once it knows which ticks it has missed. */
async function start(...given: readonly PreparedSchedule[]): Promise<Process> {
  const tried: (string | undefined)[] = [];
  let looks = 0; // at the clock: one at the start, and for each schedule one before it knows and one after
  const schedules = new Schedules({
    engine: {
      clock: { ...clock, now: () => ((looks += 1), clock.now()) },
      health: () => engine.health(),
      list: (filter) => engine.list(filter),
      listActivity: (ask) => engine.listActivity(ask),
      noteActivity: (activities) => engine.noteActivity(activities),
      accept(requests) {
        tried.push(requests[0]?.key);
        return engine.accept(requests);
      },
    },
    schedules: given,
    retentionMs: 7 * dayMs,
    log,
    backoffMs: 5,
    lookMs: 5,
  });
  schedules.begin();
  await until(() => looks > 2 * given.length);
  return { schedules, tried, [Symbol.asyncDispose]: () => schedules.close() };
}

/** The times of the ticks in a queue in the order of acceptance, once there are so many. */
async function ticks(queue: string, count: number): Promise<readonly string[]> {
  const listed = (): ReturnType<Engine["list"]> => engine.list({ queue, limit: 100 });
  await until(async () => (await listed()).length >= count);
  return (await listed()).map(({ key = "" }) => /T(\d\d:\d\d):00\.000Z$/.exec(key)?.[1] ?? key).toReversed();
}

test("a tick is one request, however many processes submit it, with its schedule's body and name", async () => {
  const queue = names.pop() as string;
  set("12:01");
  await using first = await start(schedule(queue, { body: '{"a":1}' }));
  await using second = await start(schedule(queue, { body: '{"a":1}' }));
  for (const [at, time] of ["12:15", "12:30", "12:45"].entries()) {
    set(time);
    await until(() => first.tried.length > at && second.tried.length > at);
  }
  await Promise.all([first.schedules.close(), second.schedules.close()]);
  deepEqual(await ticks(queue, 3), ["12:15", "12:30", "12:45"]);
  const [newest = fail("there is one")] = await engine.list({ queue, limit: 1 });
  equal(newest.key, `schedule:${queue}:2026-03-01T12:45:00.000Z`);
  const { bytes = fail("it has a body"), contentType } = (await engine.readBody(newest.id)) ?? {};
  deepEqual([Buffer.from(bytes).toString(), contentType], ['{"a":1}', "application/json"]);
  const status = await engine.read(newest.id);
  deepEqual(status?.head?.headers, { "sluice-schedule": queue, "sluice-tick": "2026-03-01T12:45:00.000Z" });
  for (const { schedules } of [first, second]) {
    const [{ last, nextAt } = fail("it has one")] = schedules.status();
    deepEqual([last, nextAt], [{ at: now, id: newest.id }, now + quarterMs]);
  }
  equal((await engine.audit()).holds, true);
});

const outages = {
  skip: ["12:15", "13:30"],
  last: ["12:15", "13:15", "13:30"],
  all: ["12:15", "12:30", "12:45", "13:00", "13:15", "13:30"],
} as const satisfies Record<MissedPolicy, readonly string[]>;
for (const missed of ["skip", "last", "all"] as const)
  test(`after an outage of an hour, missed: "${missed}"`, async () => {
    const queue = names.pop() as string;
    const expected = outages[missed];
    set("12:01");
    {
      await using _process = await start(schedule(queue, { missed }));
      set("12:15");
      await ticks(queue, 1);
    }
    set("13:17");
    {
      await using _process = await start(schedule(queue, { missed }));
      await ticks(queue, expected.length - 1);
      set("13:30");
      deepEqual(await ticks(queue, expected.length), expected);
    }
    await using process = await start(schedule(queue, { missed }));
    await until(() => process.schedules.status()[0]?.last?.at === now);
    set("13:45");
    deepEqual(await ticks(queue, expected.length + 1), [...expected, "13:45"]);
    equal(process.tried.length, 1, "what was submitted before the start is not tried again");
  });

test("a tick in a restart of seconds is not missed, not even by skip", async () => {
  const queue = names.pop() as string;
  set("12:01");
  await (await start(schedule(queue, { missed: "skip" }))).schedules.close();
  set("12:15");
  now += 20_000;
  await using _process = await start(schedule(queue, { missed: "skip" }));
  deepEqual(await ticks(queue, 1), ["12:15"]);
});

test("the very first tick can be missed too; a schedule that is new, or ticks at other times, has missed none", async () => {
  const [old, fresh] = [names.pop() as string, names.pop() as string];
  set("12:01");
  await (await start(schedule(old, { missed: "all" }))).schedules.close();
  set("12:20");
  {
    await using _process = await start(schedule(old, { missed: "all" }), schedule(fresh, { missed: "all" }));
    deepEqual(await ticks(old, 1), ["12:15"]);
  }
  set("12:41");
  await using _process = await start(schedule(old, { missed: "all", everyMs: quarterMs / 3 }));
  set("12:45");
  deepEqual(await ticks(old, 2), ["12:15", "12:45"]);
  deepEqual(await ticks(fresh, 0), []);
});

test("a tick whose request may have expired is not submitted once more", async () => {
  const [rare, daily] = [names.pop() as string, names.pop() as string];
  const tenDays = schedule(rare, { everyMs: 10 * dayMs, missed: "all" });
  set("00:01");
  await (await start(tenDays)).schedules.close();
  now = tenDays.ticks.next(now) ?? fail("it has a next tick");
  now += 7 * dayMs + quarterMs - 60_000;
  await using process = await start(tenDays, schedule(daily));
  now += 60_000;
  await ticks(daily, 1);
  equal(process.tried.length, 1);
});

test("a refused tick is tried until it is stored, and other schedules do not wait for it", async () => {
  const other = names.pop() as string;
  const filler = { key: "filler", contentType: "text/plain", headers: undefined, body: Buffer.from("1") };
  const filled = await engine.accept([{ queue: full, ...filler }]);
  const [receipt = fail("it was accepted")] = filled.kind === "accepted" ? filled.receipts : [];
  set("12:01");
  await using process = await start(schedule(full, { missed: "skip" }), schedule(other));
  set("12:15");
  await ticks(other, 1);
  set("12:30");
  deepEqual(await ticks(other, 2), ["12:15", "12:30"]);
  ok(process.tried.filter((key) => key?.startsWith("schedule:full:")).length > 1);
  deepEqual(await ticks(full, 1), ["filler"]);
  await engine.cancel(receipt.id);
  deepEqual(await ticks(full, 2), ["filler", "12:15"]);
});

test("a tick that another gateway submitted with another body stays what it was", async () => {
  const queue = names.pop() as string;
  set("12:01");
  await using _older = await start(schedule(queue, { body: "1" }));
  await using newer = await start(schedule(queue, { body: "2" }));
  set("12:15");
  await until(() => newer.tried.length === 1);
  await ticks(queue, 1);
  set("12:30");
  await until(() => newer.tried.length === 2);
  deepEqual(await ticks(queue, 2), ["12:15", "12:30"]);
});

test("a clock that was a year ahead and is set right: the ticks go on", async () => {
  const queue = names.pop() as string;
  set("12:01");
  await using process = await start(schedule(queue));
  set("12:15", 366);
  await ticks(queue, 1);
  set("12:16");
  await until(() => process.schedules.status()[0]?.nextAt === now + quarterMs - 60_000);
  await sleep(50); // it looks at the clock each 5 ms
  set("12:30");
  deepEqual(await ticks(queue, 2), ["12:15", "12:30"]);
  equal((await engine.list({ queue, limit: 1 }))[0]?.key, `schedule:${queue}:2026-03-01T12:30:00.000Z`);
});
