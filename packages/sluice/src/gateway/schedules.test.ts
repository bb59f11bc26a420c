import assert from "node:assert/strict";
import { test } from "node:test";
import type { ScheduleStatus } from "../core/schedule.ts";
import { GatewayUnderTest } from "../../test/gateway-under-test.ts";

const id = "019b76da-a800-7000-8000-000000000000";
const nightly: ScheduleStatus = {
  name: "nightly",
  queue: "orders",
  beat: { kind: "cron", cron: "0 3 * * *", timeZone: "Europe/Berlin" },
  missed: "last",
  nextAt: Date.parse("2026-03-02T02:00:00Z"),
  last: { at: Date.parse("2026-03-01T02:00:00Z"), id },
};
const often: ScheduleStatus = {
  name: "often",
  queue: "mails",
  beat: { kind: "every", text: "15m", everyMs: 900_000 },
  missed: "skip",
  nextAt: Date.parse("2026-03-01T12:15:00Z"),
  last: undefined,
};

test("the schedules are told with their next and last ticks, to a key those of its queues", async () => {
  const keys = [{ scopes: ["read"] }, { scopes: ["read"], queues: ["mails"] }, { scopes: ["send"] }] as const;
  await using sut = await GatewayUnderTest.open({ keys, schedules: () => [nightly, often] });
  const [all = "", mails = "", sender = ""] = sut.secrets;
  const get = (secret: string) => sut.fetch("/v1/schedules", { headers: { authorization: `Bearer ${secret}` } });
  const told = {
    nightly: {
      name: "nightly",
      queue: "orders",
      cron: "0 3 * * *",
      timeZone: "Europe/Berlin",
      missed: "last",
      nextAt: "2026-03-02T02:00:00.000Z",
      lastAt: "2026-03-01T02:00:00.000Z",
      lastId: id,
    },
    often: {
      name: "often",
      queue: "mails",
      every: "15m",
      timeZone: null,
      missed: "skip",
      nextAt: "2026-03-01T12:15:00.000Z",
      lastAt: null,
      lastId: null,
    },
  };
  assert.deepEqual((await get(all)).json, { schedules: [told.nightly, told.often] });
  assert.deepEqual((await get(mails)).json, { schedules: [told.often] });
  assert.equal((await get(sender)).status, 403);
});

test("without schedules the list is empty", async () => {
  await using sut = await GatewayUnderTest.open();
  assert.deepEqual((await sut.fetch("/v1/schedules")).json, { schedules: [] });
});
