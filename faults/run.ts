// npm run test:faults -- [--only a,b] [--rounds N] [--seed N] [--short]
import { parseArgs } from "node:util";
import { bound, complaints, runScenario, table, type Result } from "./report.ts";
import { notPlayed, scenarios } from "./scenarios/index.ts";

const help = `Kills, stops and misleads Sluice, and checks that nothing was lost or doubled.

  npm run test:faults -- [flags]

  --only a,b    these scenarios: ${scenarios.map(({ name }) => name).join(", ")}
  --rounds N    hits of each fault; 20, or 2 with --short
  --seed N      the same seed makes the same choices
  --short       in small, without what needs rights or minutes
`;

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    rounds: { type: "string" },
    seed: { type: "string" },
    short: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  const isShort = values.short;
  const only = values.only?.split(",");
  const unknown = only?.filter((name) => !scenarios.some((scenario) => scenario.name === name)) ?? [];
  const rounds = Number(values.rounds ?? (isShort ? 2 : 20));
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  if (unknown.length > 0 || !(rounds > 0) || Number.isNaN(seed)) {
    console.error(help);
    return 64;
  }
  const chosen = scenarios.filter(({ name, isLong }) => only?.includes(name) ?? !(isShort && isLong === true));
  const results: Result[] = [];
  for (const scenario of chosen) {
    console.error(`${scenario.name}: ${scenario.fault}`);
    results.push(await runScenario(scenario, { rounds, seed, isShort }));
  }
  console.log(`${table(results)}\n\n${bound(results)}\nseed ${seed}`);
  if (only === undefined) for (const { numbers, why } of notPlayed) console.log(`not played ${numbers}: ${why}`);
  const wrong = complaints(results);
  if (wrong !== "") console.log(`\n${wrong}`);
  return results.some(({ violations }) => violations.length > 0) ? 1 : 0;
}
