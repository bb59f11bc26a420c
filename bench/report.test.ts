import assert from "node:assert/strict";
import { test } from "node:test";
import type { Measurement } from "./measurement.ts";
import { renderMarkdown, renderText, report } from "./report.ts";
import { backlog } from "./scenarios/backlog.ts";
import { intake } from "./scenarios/intake.ts";
import { loss } from "./scenarios/loss.ts";
import { median, quantile } from "./statistics.ts";

const measurements: readonly Measurement[] = [
  { scenario: "intake", peer: "bare", round: 1, figures: { perSecond: 40_000 }, usage: {} },
  { scenario: "intake", peer: "sluice", round: 1, figures: { perSecond: 30_000, peakRssMb: 180 }, usage: {} },
  { scenario: "intake", peer: "sluice", round: 2, figures: { perSecond: 10_000, peakRssMb: 200 }, usage: {} },
  { scenario: "intake", peer: "sluice", round: 3, figures: { perSecond: 24_000, peakRssMb: 190 }, usage: {} },
  { scenario: "life", peer: "sluice", round: 1, figures: { perSecond: 1 }, usage: {} },
];

test("a report takes the median of the rounds and puts ratios before figures", () => {
  const { table } = report(intake, measurements);
  assert.deepEqual(table, [
    ["", "÷ bare node:http", "per second", "peak RSS MB"],
    ["Sluice, embedded", "0.60", "24,000", "190"],
    ["bare node:http", "1.00", "40,000", ""],
  ]);
});

test("a report says of each bound whether it was reached, missed or not measured", () => {
  const slow = measurements.filter(({ round, peer }) => peer === "bare" || round === 2);
  assert.deepEqual(report(intake, measurements).bounds, [
    "Sluice, embedded must be at least 0.5 × bare node:http: reached",
    "Sluice, embedded must be at least 1.5 × Fastify + BullMQ: not measured",
    "Sluice, cluster must be at least 1 × the textbook: not measured",
    "Sluice, PostgreSQL alone must be at least 1 × Sluice, cluster: not measured",
  ]);
  assert.equal(report(intake, slow).bounds[0], "Sluice, embedded must be at least 0.5 × bare node:http: missed");
});

test("what is at least or at most something is reached at that value, and missed beyond it", () => {
  const judged = (leastShare: number, lost: number): readonly string[] => {
    const round = { peer: "sluice", round: 1, usage: {} } as const;
    const one: readonly Measurement[] = [
      { scenario: "backlog", figures: { leastShare }, ...round },
      { scenario: "loss", figures: { lost }, ...round },
    ];
    return [report(backlog, one).bounds[0], report(loss, one).bounds[0]].map((said) => said?.split(": ").at(-1) ?? "");
  };
  assert.deepEqual(judged(0.9, 0), ["reached", "reached"]);
  assert.deepEqual(judged(0.89, 1), ["missed", "missed"]);
});

test("what is counted is shown whole", () => {
  const figures = { requests: 20_000, kills: 20, lost: 0 };
  const { table } = report(loss, [{ scenario: "loss", peer: "sluice", round: 1, figures, usage: {} }]);
  assert.deepEqual(table[1], ["Sluice, embedded", "20,000", "20", "0"]);
});

test("a report reads as text and as Markdown", () => {
  const text = renderText(report(intake, measurements)).split("\n");
  assert.equal(text[1], "                  ÷ bare node:http  per second  peak RSS MB");
  assert.equal(text[2], "Sluice, embedded              0.60      24,000          190");
  const markdown = renderMarkdown(report(intake, measurements)).split("\n");
  assert.deepEqual(markdown.slice(2, 5), [
    "|  | ÷ bare node:http | per second | peak RSS MB |",
    "|---|---:|---:|---:|",
    "| Sluice, embedded | 0.60 | 24,000 | 190 |",
  ]);
});

test("the median of an even number of values is the mean of the middle two", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([3, 1, 2]), 2);
});

test("a quantile is one of the values, the greatest at the end", () => {
  const values = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.equal(quantile(values, 0.5), 51);
  assert.equal(quantile(values, 0.99), 100);
  assert.equal(quantile(values, 1), 100);
});
