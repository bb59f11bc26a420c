// The day in small. The whole one: npm run day
import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import { drawCurve } from "./curve.ts";
import { playDay } from "./day.ts";
import { dayMarkdown, dayText } from "./day-report.ts";
import { parseDayFlags } from "./flags.ts";

const seed = Number(process.env["SLUICE_TEST_SEED"] ?? 1 + (Date.now() % 2 ** 31));

test(
  `a day of 2,000 requests loses none under kills (SLUICE_TEST_SEED=${seed})`,
  { timeout: 120_000 },
  async (context) => {
    const options = parseDayFlags(["--requests", "2000", "--kills", "2", "--seed", String(seed)]);
    const result = await playDay({
      ...options,
      onPhase: ({ name, seconds }) => context.diagnostic(`${name}: ${seconds} s`),
    });
    context.diagnostic(dayText(result));
    deepEqual(result.violations, []);
    equal(result.kills.length, 2);
    equal(result.figures.done, 2_000);
    const markdown = dayMarkdown(
      { ...options, command: "this test", machine: "any", commit: undefined },
      result,
      "day.svg",
    );
    match(markdown, /\| accepted \| 2,000 \|/);
    match(markdown, /\| sluice up \| 2 \| \d+ \|/);
    match(drawCurve(result.samples, result.kills, "Backlog"), /^<svg [\s\S]+<polyline points="[\d., ]+"/);
  },
);
