import assert from "node:assert/strict";
import { test } from "node:test";
import { cpuTable } from "./cpu-table.ts";
import type { Measurement } from "./measurement.ts";

const measurements: readonly Measurement[] = [
  ...[1, 3, 8].map((seconds, index): Measurement => ({
    scenario: "life",
    peer: "cluster",
    round: index + 1,
    figures: { requests: 50_000 },
    usage: {
      gateway: { cpuSeconds: seconds, peakRssMb: 1 },
      worker: { cpuSeconds: 2, peakRssMb: 1 },
    },
  })),
  {
    scenario: "life",
    peer: "bullmq",
    round: 1,
    figures: { requests: 100_000 },
    usage: { gateway: { cpuSeconds: 5, peakRssMb: 1 } },
  },
  { scenario: "restart", peer: "sluice", round: 1, figures: {}, usage: { gateway: { cpuSeconds: 5, peakRssMb: 1 } } },
];

test("CPU time is told for 100,000 requests and each kind of process, by the median of the rounds", () => {
  assert.deepEqual(cpuTable("life", measurements), [
    ["CPU s per 100,000", "gateway", "worker"],
    ["Sluice, cluster", "6.00", "4.00"],
    ["Fastify + BullMQ", "5.00", ""],
  ]);
});

test("there is none where requests are not counted", () => {
  assert.equal(cpuTable("restart", measurements), undefined);
  assert.equal(cpuTable("rated", measurements), undefined);
});
