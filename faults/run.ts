// npm run test:faults -- [--engine embedded|cluster] [--only a,b] [--rounds N] [--seed N] [--short] [--logs DIR]
import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import { clusterNotPlayed, clusterScenarios } from "./cluster/scenarios/index.ts";
import { Servers } from "./cluster/servers.ts";
import { bound, complaints, progress, runScenario, table, type Result } from "./report.ts";
import type { Scenario } from "./scenario.ts";
import { notPlayed, scenarios } from "./scenarios/index.ts";

const help = `Kills, stops and misleads Sluice, and checks that nothing was lost or doubled.

  npm run test:faults -- [flags]

  --engine E    embedded, or cluster: two gateways and three workers on servers of their own
  --only a,b    these scenarios, by name or by number in the list of faults
  --rounds N    hits of each fault; 20 embedded, 10 in a cluster, 2 with --short
  --seed N      the same seed makes the same choices
  --short       embedded, in small: without what needs rights or minutes
  --logs DIR    cluster: keeps there what each process logs

  embedded      ${scenarios.map(({ name }) => name).join(", ")}
  cluster       ${clusterScenarios.map(({ name }) => name).join(", ")}
`;

const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "embedded" },
    only: { type: "string" },
    rounds: { type: "string" },
    seed: { type: "string" },
    short: { type: "boolean", default: false },
    logs: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(help);
else if (values.engine === "embedded") process.exitCode = await main(scenarios, notPlayed);
else if (values.engine === "cluster") process.exitCode = await mainOfCluster();
else process.exitCode = refuse();

async function mainOfCluster(): Promise<number> {
  await using servers = await Servers.open();
  const logFolder = values.logs;
  if (logFolder !== undefined) mkdirSync(logFolder, { recursive: true });
  const played = clusterScenarios.map(({ play, ...scenario }) => ({
    ...scenario,
    play: (options: Parameters<Scenario["play"]>[0]) => play({ ...options, servers, logFolder }),
  }));
  return await main(played, clusterNotPlayed);
}

async function main(scenarios: readonly Scenario[], notPlayed: typeof clusterNotPlayed): Promise<number> {
  const isShort = values.short;
  const only = values.only?.split(",");
  const isMeant = ({ name, numbers }: Scenario, wanted: string): boolean =>
    name === wanted || numbersOf(numbers).has(Number(wanted));
  const unknown = only?.filter((wanted) => !scenarios.some((scenario) => isMeant(scenario, wanted))) ?? [];
  const rounds = Number(values.rounds ?? (isShort ? 2 : values.engine === "cluster" ? 10 : 20));
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  if (unknown.length > 0 || !(rounds > 0) || Number.isNaN(seed)) return refuse();
  const chosen = scenarios.filter(
    (scenario) => only?.some((wanted) => isMeant(scenario, wanted)) ?? !(isShort && scenario.isLong === true),
  );
  const results: Result[] = [];
  for (const scenario of chosen) {
    console.error(`${scenario.name}: ${scenario.fault}`);
    const result = await runScenario(scenario, { rounds, seed, isShort });
    console.error(`  ${progress(result)}`);
    results.push(result);
  }
  console.log(`${table(results)}\n\n${bound(results)}\nseed ${seed}`);
  if (only === undefined) for (const { numbers, why } of notPlayed) console.log(`not played ${numbers}: ${why}`);
  const wrong = complaints(results);
  if (wrong !== "") console.log(`\n${wrong}`);
  return results.some(({ violations }) => violations.length > 0) ? 1 : 0;
}

function refuse(): number {
  console.error(help);
  return 64;
}

/** Of "2, 3" or "3 to 6". */
function numbersOf(text: string): ReadonlySet<number> {
  const ranges = text.split(",").map((range) => range.split(" to ").map(Number));
  return new Set(
    ranges.flatMap(([least = 0, most = least]) =>
      Array.from({ length: most - least + 1 }, (_, index) => least + index),
    ),
  );
}
