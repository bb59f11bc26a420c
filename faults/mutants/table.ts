import { nameOf, type Mutant } from "./mutant.ts";

export interface Verdict {
  readonly mutant: Mutant;
  readonly isCaught: boolean;
  /** The line of the red run that shows the bug, or why the mutant is not caught. */
  readonly said: string;
  readonly seconds: number;
}

const columns: readonly (readonly [string, (verdict: Verdict) => string])[] = [
  ["mutant", ({ mutant }) => mutant.name],
  ["engine", ({ mutant }) => mutant.engine],
  ["bug", ({ mutant }) => mutant.bug],
  ["caught by", ({ isCaught, mutant: { catcher } }) => `${isCaught ? "" : "SURVIVED "}${nameOf(catcher)}`],
  ["sign", ({ said }) => firstLine(said)],
  ["healed all the same", ({ mutant: { healed } }) => (healed === undefined ? "" : nameOf(healed))],
  ["seconds", ({ seconds }) => seconds.toFixed(1)],
];

/** In Markdown: the cells are sentences. */
export function table(verdicts: readonly Verdict[]): string {
  const titles = columns.map(([title]) => title);
  const rows = verdicts.map((verdict) => columns.map(([, cell]) => cell(verdict).replaceAll("|", "\\|")));
  return [titles, titles.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** A test's duration is none of it. */
function firstLine(said: string): string {
  return (said.split("\n")[0] ?? "").replace(/ \([\d.]+ms\)$/, "");
}
