// Measures Sluice and its peers in one run: every scenario in turns, at least three rounds, medians.
import { writeFile } from "node:fs/promises";
import { drawChart } from "./draw-chart.ts";
import { help, parseFlags } from "./flags.ts";
import type { Flags } from "./flags.ts";
import { describeMachine, sayMachine } from "./machine.ts";
import type { Measurement } from "./measurement.ts";
import { bare } from "./peers/bare.ts";
import { bullmq } from "./peers/bullmq.ts";
import { cluster, clusterOnPostgres } from "./peers/cluster.ts";
import { graphileWorker } from "./peers/graphile.ts";
import type { Peer } from "./peers/peer.ts";
import { pgBoss } from "./peers/pg-boss.ts";
import { sluice } from "./peers/sluice.ts";
import { textbook } from "./peers/textbook.ts";
import { renderMarkdown, renderText, report } from "./report.ts";
import { writeResults } from "./results.ts";
import type { Results } from "./results.ts";
import { scenarios } from "./scenarios/all.ts";
import type { Scenario } from "./scenarios/scenario.ts";

const peers: readonly Peer[] = [bare, bullmq, textbook, pgBoss, graphileWorker, sluice, cluster, clusterOnPostgres];

process.exitCode = await run(process.argv.slice(2));

async function run(args: readonly string[]): Promise<number> {
  try {
    const flags = parseFlags(args);
    if (flags.isHelp) console.log(help);
    else await bench(flags);
    return 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    return 1;
  }
}

async function bench(asked: Flags): Promise<void> {
  const at = new Date().toISOString();
  const machine = await describeMachine(asked.peers);
  console.error(sayMachine(machine));
  const chosen = scenarios.filter(({ name }) => asked.scenarios.includes(name));
  const resultsOf = (measurements: readonly Measurement[]): Results => {
    const measured = chosen.filter(({ name }) => measurements.some(({ scenario }) => scenario === name));
    const reports = measured.map((scenario) => report(scenario, measurements));
    return { at, machine, settings: asked.settings, rounds: asked.rounds, reports, measurements };
  };
  const measurements: Measurement[] = [];
  for await (const measurement of measure(chosen, asked)) {
    measurements.push(measurement);
    await writeResults(resultsOf(measurements)); // a run that fails in its last hour has not been for nothing
  }
  const results = resultsOf(measurements);
  const render = asked.isMarkdown ? renderMarkdown : renderText;
  console.log(`\n${[...results.reports.map(render), sayMachine(machine)].join("\n\n")}`);
  console.error(`\nwritten to ${await writeResults(results)}`);
  if (asked.chartFile !== undefined) await writeFile(asked.chartFile, drawChart(results));
}

/** Peers take turns, and each round begins with another one: a machine that grows slower or faster is fair to all. */
async function* measure(
  chosen: readonly Scenario[],
  { peers: names, rounds: roundsAsked, settings }: Flags,
): AsyncGenerator<Measurement> {
  for (const scenario of chosen) {
    const present = peers.filter(({ name }) => names.includes(name) && scenario.peers.includes(name));
    const rounds = Math.min(roundsAsked, scenario.roundsMax ?? roundsAsked);
    for (let round = 1; round <= rounds; round += 1) {
      for (const peer of rotate(present, round)) {
        const startedAt = performance.now();
        const { figures, usage } = await scenario.measure(peer, settings);
        const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
        console.error(`${scenario.name} ${round}/${rounds} ${peer.name} (${seconds} s): ${JSON.stringify(figures)}`);
        yield { scenario: scenario.name, peer: peer.name, round, figures, usage };
      }
    }
  }
}

function rotate<Item>(items: readonly Item[], by: number): readonly Item[] {
  const start = by % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}
