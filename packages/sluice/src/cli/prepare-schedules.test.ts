import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScheduleConfig } from "../config/config.ts";
import { readUp } from "../config/read-settings.ts";
import { prepareSchedules } from "./prepare-schedules.ts";

const schema = { type: "object", required: ["report"] };

function prepare(nightly: ScheduleConfig) {
  const file = { queues: { orders: { target: "http://127.0.0.1:9000/", schema } }, schedules: { nightly } };
  const settings = readUp({ file, overrides: {}, env: {} });
  return prepareSchedules(settings, settings.queues);
}

test("a body that fits its queue's schema, and a pattern that is one, are prepared with their ticks", async () => {
  const [cron] = await prepare({ queue: "orders", cron: "0 3 * * *", body: { report: 1 } });
  const at = Date.parse("2026-03-01T12:00:00Z");
  assert.equal(cron?.ticks.next(at), Date.parse("2026-03-02T03:00:00Z"));
  const [every] = await prepare({ queue: "orders", every: "1h", body: { report: 1 } });
  assert.equal(every?.ticks.next(at), at + 3_600_000);
});

test("a body that does not fit the schema, or a pattern that is none, ends the start by the schedule's name", async () => {
  await assert.rejects(prepare({ queue: "orders", cron: "0 3 * * *", body: {} }), {
    code: "bad-config",
    message:
      "schedules.nightly.body: the body does not fit the schema of queue \"orders\": / must have required property 'report'",
  });
  await assert.rejects(prepare({ queue: "orders", cron: "0 25 * * *", body: { report: 1 } }), {
    code: "bad-config",
    message: /^schedules\.nightly\.cron: .*25/,
  });
});
