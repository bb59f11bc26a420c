import assert from "node:assert/strict";
import { test } from "node:test";
import { drawChart } from "./draw-chart.ts";
import type { Measurement } from "./measurement.ts";
import type { PeerName } from "./peers/peer.ts";
import type { Results } from "./results.ts";
import type { ScenarioName } from "./scenarios/scenario.ts";

const results: Results = {
  at: "2026-11-24T05:06:07.000Z",
  machine: {
    cpu: "Fast & Sons <64>",
    cores: 2,
    memoryGb: 24,
    kernel: "6.18.44",
    node: "v24.21.0",
    redis: "7.0.15",
    postgres: "15.18",
    rabbitmq: "3.10.8",
    fsyncMs: 0.149,
  },
  settings: {
    seconds: 10,
    ratedSeconds: 20,
    connections: 128,
    ratePerHour: 200_000,
    waiting: 1_000_000,
    lossRequests: 20_000,
    kills: 20,
    profileFolder: undefined,
  },
  rounds: 3,
  reports: [],
  measurements: [
    ...measured("intake", "bare", [40_000, 40_001, 39_999]),
    ...measured("intake", "graphile-worker", [1_000, 3_000, 2_000]),
    ...measured("intake", "sluice", [20_000, 19_000, 30_000]),
    ...measured("life", "textbook", [2_500.4]),
    ...measured("life", "cluster", [10_000]),
    ...measured("rated", "bullmq", [55]),
  ],
};

test("the fastest bar of a panel takes the whole width and the others their share of the median", () => {
  assert.deepEqual(barsOf(drawChart(results)), [
    { label: "bare node:http", kind: "ceiling", share: 1, value: "40,000" },
    { label: "Sluice, embedded", kind: "ours", share: 0.5, value: "20,000" },
    { label: "graphile-worker", kind: "peer", share: 0.05, value: "2,000" },
    { label: "Sluice, cluster", kind: "ours", share: 1, value: "10,000" },
    { label: "the textbook", kind: "peer", share: 0.25, value: "2,500" },
  ]);
});

test("a chart says its units, the load, the machine and the day", () => {
  const svg = drawChart(results);
  assert.match(svg, />Intake: requests stored on disk and answered with 202, a second</);
  assert.match(svg, />Life: from POST to stored result, requests a second</);
  assert.match(svg, />2026-11-24: 128 connections, bodies of 512 bytes, 10 s, medians of 3 rounds in turns\.</);
  assert.match(svg, /Redis 7\.0\.15, PostgreSQL 15\.18,<.*>RabbitMQ 3\.10\.8, fsync 0\.15 ms</s);
  assert.match(svg, />2 cores of Fast &amp; Sons &lt;64&gt;, 24 GB, Linux 6\.18\.44, Node\.js v24\.21\.0/);
});

test("a chart has colours for a dark page, and words for those who do not see it", () => {
  const svg = drawChart(results);
  const [, light = "", dark = ""] = /<style>(.*)@media \(prefers-color-scheme: dark\) \{(.*)<\/style>/s.exec(svg) ?? [];
  for (const name of ["text", ".page", ".ours", ".peer", ".ceiling"]) {
    assert.ok(light.includes(`${name} {`), `${name} on a light page`);
    assert.ok(dark.includes(`${name} {`), `${name} on a dark page`);
  }
  assert.match(svg, /role="img"/);
  assert.match(svg, /<desc [^>]*>Intake: .* Sluice, embedded 20,000, graphile-worker 2,000\. Life: .*<\/desc>/);
});

test("a panel that was not measured is left out, and without any there is no chart", () => {
  const only = (name: ScenarioName): Results => ({
    ...results,
    measurements: results.measurements.filter(({ scenario }) => scenario === name),
  });
  const svg = drawChart(only("life"));
  assert.doesNotMatch(svg, /Intake/);
  assert.ok(heightOf(svg) < heightOf(drawChart(results)));
  assert.throws(() => drawChart(only("rated")), /nothing to draw/);
});

test("every text lies on the page, a long name of a machine as well", () => {
  const svg = drawChart({ ...results, machine: { ...results.machine, cpu: "Processor ".repeat(30) } });
  const notes = Array.from(svg.matchAll(/<text class="note"[^>]*>([^<]*)</g), ([, note = ""]) => note);
  assert.ok(notes.length > 4 && notes.every((note) => note.length <= 108), notes.join("\n"));
  const lines = Array.from(svg.matchAll(/<text [^>]*\by="([\d.]+)"/g), ([, y]) => Number(y));
  assert.ok(lines.length > 10);
  for (const y of lines) assert.ok(y > 0 && y < heightOf(svg), `a text at ${y} of ${heightOf(svg)}`);
});

function measured(scenario: ScenarioName, peer: PeerName, rates: readonly number[]): readonly Measurement[] {
  return rates.map((perSecond, index) => ({ scenario, peer, round: index + 1, figures: { perSecond }, usage: {} }));
}

interface Bar {
  readonly label: string | undefined;
  readonly kind: string | undefined;
  readonly share: number;
  readonly value: string | undefined;
}

function barsOf(svg: string): readonly Bar[] {
  const bar =
    /<text class="label"[^>]*>([^<]*)<\/text>\n<rect class="(\w+)"[^>]* width="(\d+)"[^>]*\/>\n<text class="value"[^>]*>([^<]*)</g;
  const found = [...svg.matchAll(bar)];
  const widest = Math.max(...found.map(([, , , width]) => Number(width)));
  return found.map(([, label, kind, width, value]) => {
    return { label, kind, share: Math.round((Number(width) / widest) * 100) / 100, value };
  });
}

function heightOf(svg: string): number {
  return Number(/height="(\d+)"/.exec(svg)?.[1]);
}
