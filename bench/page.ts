// Prints stored runs as a page: npm run bench:page -- bench/results/<run>.json... > docs/bench.md
import { cpuTable } from "./cpu-table.ts";
import { sayMachine } from "./machine.ts";
import { markdownTable, renderMarkdown, report } from "./report.ts";
import { readResults } from "./results.ts";
import { scenarios } from "./scenarios/all.ts";
import type { Scenario, ScenarioName } from "./scenarios/scenario.ts";

const files = process.argv.slice(2);
if (files.length === 0) throw new Error("Usage: npm run bench:page -- RESULTS.json... > PAGE.md");
const runs = await Promise.all(files.map(readResults));
console.log(
  [
    "# The bench",
    "Written by `npm run bench:page` from stored runs of `npm run bench`. Medians of the rounds, in turns; ratios first. " +
      "What each scenario and peer is: `npm run bench -- --help`.",
    ...scenarios.flatMap(sectionsOf),
  ].join("\n\n"),
);

/** Of the last run that has it. */
function sectionsOf(scenario: Scenario): readonly string[] {
  const run = runs.findLast(({ measurements }) => measurements.some((one) => one.scenario === scenario.name));
  if (run === undefined) return [];
  const { at, rounds, settings, machine, measurements } = run;
  const cpu = cpuTable(scenario.name, measurements);
  const { seconds, ratedSeconds, connections } = settings;
  const loads: Partial<Record<ScenarioName, string>> = { rated: `${ratedSeconds} s`, neighbours: "12 s each" };
  const load = loads[scenario.name] ?? `${seconds} s, ${connections} connections`;
  return [
    `## ${scenario.name}`,
    renderMarkdown(report(scenario, measurements)),
    ...(cpu === undefined ? [] : [`By kind of process:\n\n${markdownTable(cpu)}`]),
    `${at}: ${scenario.roundsMax ?? rounds} rounds, ${load}; ${sayMachine(machine)}.`,
  ];
}
