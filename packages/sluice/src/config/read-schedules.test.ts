import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScheduleConfig, SluiceConfig } from "./config.ts";
import { readGateway, readUp } from "./read-settings.ts";

const queues = { orders: { target: "http://127.0.0.1:9000/" } } satisfies SluiceConfig["queues"];

function read(schedule: unknown, more: Partial<SluiceConfig> = {}) {
  const file = { queues, schedules: { nightly: schedule as ScheduleConfig }, ...more };
  return readUp({ file, overrides: {}, env: {} }).schedules[0];
}

function refused(schedule: unknown, message: RegExp, more: Partial<SluiceConfig> = {}): void {
  assert.throws(() => read(schedule, more), { code: "bad-config", message });
}

test("a schedule has a zone, a policy and a body unless it names them", () => {
  assert.deepEqual(read({ queue: "orders", cron: " 0 3 * * * " }), {
    name: "nightly",
    queue: "orders",
    beat: { kind: "cron", cron: "0 3 * * *", timeZone: "UTC" },
    missed: "last",
    body: Buffer.from("null"),
    callback: undefined,
  });
  const own = read({ queue: "orders", every: "15m", missed: "all", body: { report: [1, "ü"] } });
  assert.deepEqual(own?.beat, { kind: "every", text: "15m", everyMs: 900_000 });
  assert.deepEqual([own.missed, String(own.body)], ["all", '{"report":[1,"ü"]}']);
});

test("a gateway reads the schedules, with the callback of their queue", () => {
  const secret = `whsec_${Buffer.from("for all queues, twenty-four").toString("base64")}`;
  const callback = { url: "https://told.example/done" };
  const file: SluiceConfig = {
    queues: { orders: { ...queues.orders, callback } },
    schedules: { often: { queue: "orders", every: "1s" } },
    callbacks: { secret },
    cluster: { databaseUrl: "postgres://127.0.0.1/sluice" },
  };
  const { schedules } = readGateway({ file, overrides: {}, env: {} });
  assert.equal(schedules[0]?.callback, callback.url);
});

test("what is wrong is named with its schedule, its rule and the value", () => {
  const at = { queue: "orders", cron: "0 3 * * *" };
  refused({ ...at, queue: "mails" }, /^schedules\.nightly\.queue must be a queue .*"mails"/);
  refused({ ...at, queue: "sluice-callbacks" }, /^schedules\.nightly\.queue must be a queue/);
  refused({ queue: "orders" }, /^schedules\.nightly needs one of cron and every, got none/);
  refused({ ...at, every: "1h" }, /^schedules\.nightly needs one of cron and every, got both/);
  refused({ ...at, cron: "0 3 * *" }, /^schedules\.nightly\.cron must have five fields.*got "0 3 \* \*"/);
  refused({ ...at, cron: "* * * * * *" }, /^schedules\.nightly\.cron must have five fields/);
  refused({ ...at, cron: "2026-12-01T00:00:00" }, /^schedules\.nightly\.cron must have five fields/);
  refused({ ...at, cron: 5 }, /^schedules\.nightly\.cron must have five fields/);
  refused({ ...at, timeZone: "Europe/Bonn" }, /^schedules\.nightly\.timeZone must be an IANA .*"Europe\/Bonn"/);
  refused({ ...at, timeZone: null }, /^schedules\.nightly\.timeZone must be/);
  refused({ queue: "orders", every: "1h", timeZone: "UTC" }, /^schedules\.nightly\.timeZone goes with cron/);
  refused({ queue: "orders", every: "999ms" }, /^schedules\.nightly\.every must be a duration from 1s to 365d/);
  refused({ queue: "orders", every: 60 }, /^schedules\.nightly\.every must be a duration/);
  refused({ ...at, missed: "none" }, /^schedules\.nightly\.missed must be "skip", "last" or "all", got "none"/);
  refused({ ...at, timezone: "UTC" }, /^schedules\.nightly knows the fields .*did you mean timeZone\?/);
  refused({ ...at, body: () => 1 }, /^schedules\.nightly\.body must be a JSON value, got a function/);
  refused({ ...at, body: 1n }, /^schedules\.nightly\.body must be a JSON value/);
  refused({ ...at, body: "12345678" }, /^schedules\.nightly\.body must fit bodyMax, 9 bytes as JSON, got 10/, {
    bodyMax: "9B",
  });
  refused(5, /^schedules\.nightly must be an object/);
  refused(at, /^schedules must be an object/, { schedules: [] as never });
  refused(at, /^a schedule's name is 1 to 63 .*"a b"/, { schedules: { "a b": at } });
});
