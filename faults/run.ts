// npm run test:faults -- [--engine embedded|cluster] [--only a,b] [--rounds N] [--seed N] [--short] [--full] [--without rabbitmq,redis] [--markdown FILE]
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { CarrierChoice } from "@sluice/testing";
import { choiceOf, flagsOf } from "./cluster/carriers.ts";
import { engines, notPlayedOn, openPlaybill, repertoire, roundsOf, type EngineName } from "./engines.ts";
import { markdown } from "./markdown.ts";
import { bounds, complaints, progress, runScenario, table, type Result } from "./report.ts";
import type { Scenario } from "./scenario.ts";

const help = `Kills, stops, misleads, loads and abuses Sluice, and checks that nothing was lost or doubled.

  npm run test:faults -- [flags]

  --engine E       embedded, or cluster: two gateways and three workers on servers of their own; both unless given
  --only a,b       these scenarios, by name or by number in the list of faults
  --rounds N       hits of each fault; ${roundsOf.embedded.usual} embedded, ${roundsOf.cluster.usual} in a cluster
  --full           ${roundsOf.embedded.full} and ${roundsOf.cluster.full} rounds, and a backlog of 1,000,000 instead of 100,000
  --short          embedded unless an engine is named; ${roundsOf.embedded.short} rounds, without what needs rights or minutes
  --seed N         the same seed makes the same choices; one of the moment unless given, and printed
  --without A,B    cluster: without rabbitmq, redis or both; SLUICE_TEST_CARRIERS decides unless given
  --markdown FILE  writes the table there as well, as the README shows it
  --logs DIR       cluster: keeps there what each process logs

Without flags it takes about a quarter of an hour on two cores, with --full about forty minutes.

  embedded         ${namesOf("embedded")}
  cluster          ${namesOf("cluster")}
`;

const { values } = parseArgs({
  options: {
    engine: { type: "string" },
    only: { type: "string" },
    rounds: { type: "string" },
    seed: { type: "string" },
    short: { type: "boolean", default: false },
    full: { type: "boolean", default: false },
    without: { type: "string" },
    markdown: { type: "string" },
    logs: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  const chosenEngines = engines.filter((engine) => (values.engine ?? (values.short ? "embedded" : engine)) === engine);
  const only = values.only?.split(",");
  const known = chosenEngines.flatMap((engine) => repertoire[engine]);
  const areKnown = only?.every((wanted) => known.some((scenario) => isMeant(scenario, wanted))) ?? true;
  const seed = Number(values.seed ?? Date.now() % 2 ** 31);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  const areBounds =
    Number.isSafeInteger(seed) && (rounds === undefined || (Number.isSafeInteger(rounds) && rounds > 0));
  const carriers = choiceOf(values.without);
  if (carriers === undefined || !areKnown || !areBounds || chosenEngines.length === 0 || (values.short && values.full))
    return refuse();
  console.error(`seed ${seed}`);
  const results: Result[] = [];
  for (const engine of chosenEngines) results.push(...(await playOn(engine, { only, seed, rounds, carriers })));
  tell(results, { seed, carriers, notPlayed: only === undefined ? chosenEngines : [] });
  return results.some(({ violations }) => violations.length > 0) ? 1 : 0;
}

interface Choice {
  readonly only: readonly string[] | undefined;
  readonly seed: number;
  readonly rounds: number | undefined;
  readonly carriers: CarrierChoice;
}

async function playOn(engine: EngineName, { only, seed, rounds, carriers }: Choice): Promise<readonly Result[]> {
  const isChosen = (scenario: Omit<Scenario, "play">): boolean =>
    only?.some((wanted) => isMeant(scenario, wanted)) ?? !(values.short && scenario.isLong === true);
  if (!repertoire[engine].some(isChosen)) return [];
  const { short: isShort, full: isFull } = values;
  const { short, usual, full } = roundsOf[engine];
  const roundsPlayed = rounds ?? (isShort ? short : isFull ? full : usual);
  await using playbill = await openPlaybill(engine, { logFolder: values.logs, carriers });
  const results: Result[] = [];
  for (const scenario of playbill.scenarios.filter(isChosen)) {
    console.error(`${engine} ${scenario.name}: ${scenario.fault}`);
    const result = await runScenario(scenario, { engine, rounds: roundsPlayed, seed, isShort, isFull });
    console.error(`  ${progress(result)}`);
    results.push(result);
  }
  return results;
}

function tell(
  results: readonly Result[],
  { seed, carriers, notPlayed }: Pick<Choice, "seed" | "carriers"> & { readonly notPlayed: readonly EngineName[] },
): void {
  console.log(`${table(results)}\n\n${bounds(results).join("\n")}\nseed ${seed}`);
  for (const engine of notPlayed)
    for (const { numbers, why } of notPlayedOn[engine]) console.log(`not played on ${engine}, ${numbers}: ${why}`);
  const wrong = complaints(results);
  if (wrong !== "") console.log(`\n${wrong}`);
  if (values.markdown === undefined) return;
  const flags = process.argv
    .slice(2)
    .filter((flag, index, all) => flag !== "--markdown" && all[index - 1] !== "--markdown");
  const chosen = values.without === undefined ? flagsOf(carriers) : [];
  const seeded = [...flags, ...chosen, ...(values.seed === undefined ? ["--seed", String(seed)] : [])];
  writeFileSync(values.markdown, markdown(results, `npm run test:faults -- ${seeded.join(" ")}`));
}

function isMeant({ name, numbers }: Omit<Scenario, "play">, wanted: string): boolean {
  return name === wanted || numbersOf(numbers).has(Number(wanted));
}

function namesOf(engine: EngineName): string {
  return repertoire[engine].map(({ name }) => name).join(", ");
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
