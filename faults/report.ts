// Plays scenarios and says what came of each: a table, and a verdict.
import { forbidden } from "./checker.ts";
import { seededRandom } from "./random.ts";
import { SkippedError, type Played, type Scenario } from "./scenario.ts";

export interface Result {
  readonly scenario: Scenario;
  readonly seconds: number;
  readonly played: Played | undefined;
  /** Empty when the scenario passed. */
  readonly violations: readonly string[];
  readonly skipped: string | undefined;
}

export interface RunOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly isShort: boolean;
}

export async function runScenario(scenario: Scenario, { rounds, seed, isShort }: RunOptions): Promise<Result> {
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1_000;
  try {
    const played = await scenario.play({ rounds, isShort, random: seededRandom(seed, scenario.name) });
    return { scenario, seconds: seconds(), played, violations: judge(played), skipped: undefined };
  } catch (error) {
    if (!(error instanceof SkippedError)) throw error;
    return { scenario, seconds: seconds(), played: undefined, violations: [], skipped: error.message };
  }
}

/** Everything that makes a scenario red. */
function judge({ figures, hits, areEffectsOnce, violations }: Played): readonly string[] {
  const nonzero = forbidden.filter((name) => figures[name] !== 0).map((name) => `${name} is ${figures[name]}`);
  const doubled = areEffectsOnce && figures.doubledEffects !== 0 ? [`doubledEffects is ${figures.doubledEffects}`] : [];
  const missed = hits === 0 ? ["the fault never hit: this run proves nothing"] : [];
  const empty = figures.accepted === 0 ? ["nothing was accepted: this run proves nothing"] : [];
  return [...nonzero, ...doubled, ...missed, ...empty, ...violations];
}

const columns: readonly (readonly [string, (result: Result, played: Played) => string | number])[] = [
  ["scenario", ({ scenario }) => scenario.name],
  ["faults", ({ scenario }) => scenario.numbers],
  ["trials", (_, { trials }) => trials],
  ["hits", (_, { hits }) => hits],
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
  ["seconds", ({ seconds }) => seconds.toFixed(1)],
  ["verdict", ({ violations }) => (violations.length === 0 ? "ok" : "RED")],
];

export function table(results: readonly Result[]): string {
  const rows = results.flatMap((result) => {
    const { played } = result;
    return played === undefined ? [] : [columns.map(([, cell]) => String(cell(result, played)))];
  });
  const all = [columns.map(([title]) => title), ...rows];
  const widths = columns.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")).join("\n");
}

/** What the absence of failures is worth: with none in n trials, the rate is below 3/n at 95 %. */
export function bound(results: readonly Result[]): string {
  const hits = results.reduce((sum, { played }) => sum + (played?.hits ?? 0), 0);
  const accepted = results.reduce((sum, { played }) => sum + (played?.figures.accepted ?? 0), 0);
  const percent = (n: number): string => `${Math.min(100, 300 / n).toPrecision(2)} %`;
  return (
    `n = ${hits} faults that hit: at 95 %, fewer than 3/n = ${percent(hits)} of such faults lose or double anything; ` +
    `n = ${accepted} requests: fewer than ${percent(accepted)} of them`
  );
}

export function complaints(results: readonly Result[]): string {
  return results
    .flatMap(({ scenario, violations, skipped }) => [
      ...violations.map((violation) => `RED ${scenario.name}: ${violation}`),
      ...(skipped === undefined ? [] : [`skipped ${scenario.name}: ${skipped}`]),
    ])
    .join("\n");
}
