// Measures Sluice and its peers in one run: every scenario in turns, at least three rounds, medians.
import { mkdir, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { help, parseFlags } from "./flags.ts";
import type { Flags } from "./flags.ts";
import { describeMachine } from "./machine.ts";
import type { Machine } from "./machine.ts";
import { bare } from "./peers/bare.ts";
import { bullmq } from "./peers/bullmq.ts";
import type { Peer } from "./peers/peer.ts";
import { cluster } from "./peers/cluster.ts";
import { sluice } from "./peers/sluice.ts";
import { textbook } from "./peers/textbook.ts";
import { renderMarkdown, renderText, report } from "./report.ts";
import type { Measurement, ScenarioReport } from "./report.ts";
import { intake } from "./scenarios/intake.ts";
import { life } from "./scenarios/life.ts";
import { rated } from "./scenarios/rated.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { waiting } from "./scenarios/waiting.ts";

const peers: readonly Peer[] = [bare, bullmq, textbook, sluice, cluster];
const scenarios: readonly Scenario[] = [intake, life, rated, waiting];
const resultsFolder = new URL("./results/", import.meta.url);

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
  const machine = await describeMachine();
  console.error(sayMachine(machine));
  const chosen = scenarios.filter(({ name }) => asked.scenarios.includes(name));
  const measurements = await measure(chosen, asked);
  const reports = chosen.map((scenario) => report(scenario, measurements));
  const render = asked.isMarkdown ? renderMarkdown : renderText;
  console.log(`\n${[...reports.map(render), sayMachine(machine)].join("\n\n")}`);
  console.error(
    `\nwritten to ${await write({ machine, settings: asked.settings, rounds: asked.rounds, reports, measurements })}`,
  );
}

/** Peers take turns, and each round begins with another one: a machine that grows slower or faster is fair to all. */
async function measure(
  chosen: readonly Scenario[],
  { peers: names, rounds, settings }: Flags,
): Promise<readonly Measurement[]> {
  const measurements: Measurement[] = [];
  for (const scenario of chosen) {
    const present = peers.filter(({ name }) => names.includes(name) && scenario.peers.includes(name));
    for (let round = 1; round <= rounds; round += 1) {
      for (const peer of rotate(present, round)) {
        const figures = await scenario.measure(peer, settings);
        measurements.push({ scenario: scenario.name, peer: peer.name, round, figures });
        console.error(`${scenario.name} ${round}/${rounds} ${peer.name}: ${JSON.stringify(figures)}`);
      }
    }
  }
  return measurements;
}

function rotate<Item>(items: readonly Item[], by: number): readonly Item[] {
  const start = by % Math.max(1, items.length);
  return [...items.slice(start), ...items.slice(0, start)];
}

interface Results {
  readonly machine: Machine;
  readonly settings: Flags["settings"];
  readonly rounds: number;
  readonly reports: readonly ScenarioReport[];
  readonly measurements: readonly Measurement[];
}

async function write(results: Results): Promise<string> {
  const at = new Date().toISOString();
  const file = fileURLToPath(new URL(`${at.replaceAll(":", "-").slice(0, 19)}Z.json`, resultsFolder));
  await mkdir(resultsFolder, { recursive: true });
  await writeFile(file, `${JSON.stringify({ at, ...results }, undefined, 2)}\n`);
  return file;
}

function sayMachine({ cpu, cores, memoryGb, kernel, node, redis, fsyncMs }: Machine): string {
  const system = `${cores} cores of ${cpu}, ${memoryGb} GB, Linux ${kernel}, Node.js ${node}, Redis ${redis}`;
  return `${system}, fsync ${fsyncMs.toFixed(2)} ms`;
}
