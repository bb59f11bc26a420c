// Plays scenarios and says what came of each: a table, and a verdict.
import { forbidden } from "./checker.ts";
import type { EngineName } from "./engines.ts";
import { seededRandom } from "../packages/sluice/src/core/seeded-random.ts";
import { SkippedError, type Played, type Scenario } from "./scenario.ts";

export interface Result {
  readonly engine: EngineName;
  readonly scenario: Scenario;
  readonly seconds: number;
  readonly played: Played | undefined;
  /** Empty when the scenario passed. */
  readonly violations: readonly string[];
  readonly skipped: string | undefined;
}

export interface RunOptions {
  readonly engine: EngineName;
  readonly rounds: number;
  readonly seed: number;
  readonly isShort: boolean;
  readonly isFull: boolean;
}

export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Result> {
  const { engine, rounds, seed, isShort, isFull } = options;
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1_000;
  try {
    const played = await scenario.play({ rounds, isShort, isFull, random: seededRandom(seed, scenario.name) });
    return { engine, scenario, seconds: seconds(), played, violations: judge(scenario, played), skipped: undefined };
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    if (error instanceof SkippedError)
      return { engine, scenario, seconds: seconds(), played: undefined, violations: [], skipped: said };
    return {
      engine,
      scenario,
      seconds: seconds(),
      played: undefined,
      violations: [`it broke off: ${said}`],
      skipped: undefined,
    };
  }
}

/** One line, as soon as it is through. */
export function progress({ scenario, seconds, played, violations, skipped }: Result): string {
  const verdict = skipped === undefined ? (violations.length === 0 ? "ok" : "RED") : "skipped";
  const hits = played === undefined ? "" : `, ${played.hits} hits, ${played.figures.accepted} accepted`;
  const line = `${verdict} ${scenario.name}: ${seconds.toFixed(1)} s${hits}`;
  return [line, ...violations, ...(played?.notes ?? [])].join("\n    ");
}

/** Everything that makes a scenario red. */
function judge({ isLossMeant }: Scenario, { figures, hits, areEffectsOnce, violations }: Played): readonly string[] {
  const isForbidden = (name: (typeof forbidden)[number]): boolean => !(isLossMeant === true && name === "lost");
  const nonzero = forbidden
    .filter((name) => isForbidden(name) && figures[name] !== 0)
    .map((name) => `${name} is ${figures[name]}`);
  const kept =
    isLossMeant === true && figures.lost === 0 ? ["nothing was lost: the other scenarios prove nothing"] : [];
  const doubled = areEffectsOnce && figures.doubledEffects !== 0 ? [`doubledEffects is ${figures.doubledEffects}`] : [];
  const missed = hits === 0 ? ["the fault never hit: this run proves nothing"] : [];
  const empty = figures.accepted === 0 ? ["nothing was accepted: this run proves nothing"] : [];
  return [...nonzero, ...kept, ...doubled, ...missed, ...empty, ...violations];
}

/** A title, and what is in it for each scenario. */
export type Column = readonly [string, (result: Result, played: Played) => string | number];

const usual: readonly Column[] = [
  ["scenario", ({ scenario }) => scenario.name],
  ["engine", ({ engine }) => engine],
  ["faults", ({ scenario }) => scenario.numbers],
  ["trials", (_, { trials }) => trials],
  ["fault hits", (_, { hits }) => hits],
  ["accepted", (_, { figures }) => figures.accepted],
  ["unknown", (_, { figures }) => figures.unknown],
  ["starts", (_, { figures }) => figures.starts],
  ["effects", (_, { figures }) => figures.effects],
  ["dead", (_, { figures }) => figures.dead],
  ["lost", (_, { figures }) => figures.lost],
  ["doubled outcomes", (_, { figures }) => figures.doubledOutcomes],
  [
    "doubled effects",
    (_, { figures, areEffectsOnce }) => `${figures.doubledEffects}${areEffectsOnce ? "" : " (told)"}`,
  ],
  ["phantom", (_, { figures }) => figures.phantom],
  ["mismatch", (_, { figures }) => figures.mismatched + figures.refusedWithEffect],
  ["time", ({ seconds }) => `${seconds.toFixed(1)} s`],
  ["verdict", ({ violations }) => (violations.length === 0 ? "ok" : "RED")],
];

/** One line for each scenario, and below what was measured besides. */
export function table(results: readonly Result[], columns = usual): string {
  const rows = results.flatMap((result) => {
    const { played, scenario, skipped } = result;
    if (played !== undefined) return [columns.map(([, cell]) => String(cell(result, played)))];
    return skipped === undefined ? [] : [rowLeftOut(scenario.name, { skipped, columns })];
  });
  const all = [columns.map(([title]) => title), ...rows];
  const widths = columns.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  const notes = results.flatMap(({ engine, scenario, played }) =>
    (played?.notes ?? []).map((note) => `${engine} ${scenario.name}: ${note}`),
  );
  return [...lines, ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}

/** Of a scenario that was not played: its first cell, and why in the last. */
export function rowLeftOut(
  first: string,
  { skipped, columns }: { readonly skipped: string; readonly columns: readonly Column[] },
): readonly string[] {
  return columns.map((_, index) => (index === 0 ? first : index === columns.length - 1 ? `left out: ${skipped}` : ""));
}

/** What the absence of failures is worth, for each engine: with none in n trials, the rate is below 3/n at 95 %. */
export function bounds(results: readonly Result[]): readonly string[] {
  return [...new Set(results.map(({ engine }) => engine))].flatMap((engine) =>
    boundsOf(
      engine,
      results.filter((result) => result.engine === engine && result.scenario.isLossMeant !== true),
    ),
  );
}

function boundsOf(engine: EngineName, results: readonly Result[]): readonly string[] {
  const kills = sumOf(results, ({ scenario, played }) => (scenario.isKill === true ? (played?.hits ?? 0) : 0));
  const accepted = sumOf(results, ({ played }) => played?.figures.accepted ?? 0);
  const trials = [
    { n: kills, what: "kills" },
    { n: sumOf(results, ({ played }) => played?.failover?.recoveries.length ?? 0), what: "failovers" },
    { n: accepted, what: "accepted requests" },
  ];
  return trials
    .filter(({ n }) => n > 0)
    .map(({ n, what }) => {
      const share = percentOf(3 / n);
      return `${engine}: n = ${n.toLocaleString("en")} ${what}; without a failure, fewer than 3/n = ${share} of them fail (95 %).`;
    });
}

function percentOf(share: number): string {
  return `${Number(Math.min(100, 100 * share).toPrecision(2))} %`;
}

function sumOf(results: readonly Result[], value: (result: Result) => number): number {
  return results.reduce((sum, result) => sum + value(result), 0);
}

export function complaints(results: readonly Result[]): string {
  return results
    .flatMap(({ engine, scenario, violations, skipped }) => [
      ...violations.map((violation) => `RED ${scenario.name} (${engine}): ${violation}`),
      ...(skipped === undefined ? [] : [`skipped ${scenario.name} (${engine}): ${skipped}`]),
    ])
    .join("\n");
}
