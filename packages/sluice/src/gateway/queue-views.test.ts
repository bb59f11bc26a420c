import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { pino } from "pino";
import { SluiceError } from "../core/errors.ts";
import type { Engine, QueueStatus } from "../engine/engine.ts";
import { boom, done, orders as queue, request } from "../engine/contract/rig.ts";
import { openLog } from "../telemetry/log.ts";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";
import { QueueViews } from "./queue-views.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const log = openLog({ level: "silent", isPretty: false });
let passedMs = 0;
const clock = { now: () => Date.now() + passedMs, monotonic: () => performance.now() + passedMs };
let sut: GatewayUnderTest;
before(async () => {
  sut = await GatewayUnderTest.open();
});
after(() => sut[Symbol.asyncDispose]());

/** After ten were finished of thirty, all attempts at the others fail. */
async function failingAfterTen(waitMs: number): Promise<{ views: QueueViews; failedAt: number } & Disposable> {
  passedMs = 0;
  const { engine } = sut;
  const presence = engine.attend(queue);
  const take = (max: number) => engine.deliver({ queue, max, signal: AbortSignal.timeout(10_000) });
  const views = new QueueViews({ engine, clock, log, queues: new Map([[queue, {}]]) });
  await engine.accept(Array.from({ length: 30 }, () => request()));
  await views.readOne(queue);
  for (const { claim } of await take(10)) await engine.settle(claim, done());
  const failedAt = Date.now();
  const kept = { dueAt: failedAt + waitMs, failure: boom, isCounted: true };
  await views.readOne(queue);
  for (const { claim } of await take(20)) await engine.retry(claim, kept);
  return { views, failedAt, [Symbol.dispose]: () => presence[Symbol.dispose]() };
}

test("what is put off for an hour drains in an hour, whatever the rate was before", async () => {
  using failing = await failingAfterTen(hourMs);
  for (passedMs of [0, 2 * minuteMs]) {
    const forecast = (await failing.views.readOne(queue))?.forecast;
    assert.ok(forecast?.kind === "drains", JSON.stringify(forecast));
    assert.ok(Date.parse(forecast.at) >= failing.failedAt + hourMs, forecast.at);
  }
  for (const { id } of await sut.engine.list({ queue, state: "scheduled", limit: 100 })) await sut.engine.cancel(id);
});

test("while every attempt fails the queue is stalled after a minute, and promises nothing", async () => {
  using failing = await failingAfterTen(10_000);
  const { views, failedAt } = failing;
  assert.equal((await views.readOne(queue))?.forecast.kind, "drains");
  passedMs = minuteMs;
  const forecast = (await views.readOne(queue))?.forecast;
  assert.ok(forecast?.kind === "stalled" && forecast.reason === "nothing-finishes", JSON.stringify(forecast));
  assert.ok(Date.parse(forecast.since) >= failedAt && Date.parse(forecast.since) <= Date.now(), forecast.since);
  const result = await sut.engine.accept([request()]);
  assert.ok(result.kind === "accepted" && result.receipts[0] !== undefined);
  assert.equal(views.promise(result.receipts[0]), undefined);
  assert.equal(views.expectation(queue).retryAfter, "60");
});

test("receipts tell no time that is too soon while those before them are put off", async () => {
  passedMs = 0;
  const { engine } = sut;
  using _worker = engine.attend("mails");
  const views = new QueueViews({ engine, clock, log, queues: new Map([["mails", { ratePerHour: 3_600 }]]) });
  const promisedMs = async (): Promise<number> => {
    const result = await engine.accept([request({ queue: "mails" })]);
    assert.ok(result.kind === "accepted" && result.receipts[0] !== undefined);
    return (views.promise(result.receipts[0]) ?? 0) - result.receipts[0].acceptedAt;
  };
  await views.readOne("mails");
  for (passedMs = 0; passedMs < 16_000; passedMs += 1_000) assert.ok((await promisedMs()) < minuteMs);
  const dueAt = clock.now() + hourMs;
  for (const { claim } of await engine.deliver({ queue: "mails", max: 16, signal: AbortSignal.timeout(10_000) }))
    await engine.retry(claim, { dueAt, isCounted: true });
  for (let reading = 0; reading < 2; reading += 1) {
    passedMs += 10_000;
    await views.freshen("mails");
    await views.close();
  }
  assert.ok((await promisedMs()) >= hourMs - minuteMs);
});

test("a store that is out is told once, and again when it was back meanwhile", async () => {
  const lines: string[] = [];
  const own = pino({ level: "warn" }, { write: (line: string) => void lines.push(line) });
  let isOut = true;
  const outage = new SluiceError("store-unavailable", "PostgreSQL is out");
  const backlog = (): Promise<readonly QueueStatus[]> => (isOut ? Promise.reject(outage) : sut.engine.backlog());
  const engine = Object.assign(Object.create(sut.engine) as Engine, { backlog });
  const views = new QueueViews({ engine, clock, log: own, queues: new Map([[queue, {}]]) });
  const ask = async (times: number): Promise<void> => {
    for (let asked = 0; asked < times; asked += 1) {
      passedMs += 1_000;
      await views.freshen(queue);
    }
  };
  await ask(5);
  assert.equal(lines.length, 1, lines.join(""));
  isOut = false;
  await ask(1);
  isOut = true;
  await ask(5);
  assert.equal(lines.length, 2, lines.join(""));
});
