// The day in small. The whole one: npm run day
import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import { openEmbeddedField } from "../embedded-field.ts";
import { playDay } from "./day.ts";
import { dayMarkdown, dayText } from "./day-report.ts";

const seed = Number(process.env["SLUICE_TEST_SEED"] ?? 1 + (Date.now() % 2 ** 31));

test(
  `a day of 2,000 requests loses none under kills (SLUICE_TEST_SEED=${seed})`,
  { timeout: 120_000 },
  async (context) => {
    const options = { requests: 2_000, orders: 50, kills: 2, seed, speed: 15_000 };
    const result = await playDay({ ...options, open: (setting) => openEmbeddedField(undefined, setting) });
    context.diagnostic(dayText(result));
    deepEqual(result.violations, []);
    equal(result.rehearsed.kills.length, 2);
    equal(result.rehearsed.figures.done, 2_000);
    const setting = {
      ...options,
      engine: "embedded",
      command: "this test",
      machine: "any",
      commit: undefined,
    } as const;
    const markdown = dayMarkdown(setting, result, "day.svg");
    match(markdown, /\| accepted \| 2,000 \|/);
    match(markdown, /\| checker: out of order \| 0 \|/);
    match(markdown, /\| audit of order: requests with an order key \| 2,000 \|/);
    match(markdown, /\| audit of order: order keys \| 50 \|/);
    match(markdown, /\| killed: up 1 \| 2 \|/);
    match(markdown, /\| peak memory: up 1, MiB \| \d+ \|/);
  },
);
