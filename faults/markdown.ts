// The table as the README shows it: no figure there is typed by hand.
import { bounds, complaints, rowLeftOut, type Column, type Result } from "./report.ts";

const usual: readonly Column[] = [
  ["fault", ({ scenario }) => scenario.fault],
  ["engine", ({ engine }) => engine],
  ["trials", (_, { trials }) => trials],
  ["fault hits", (_, { hits }) => hits],
  ["accepted", (_, { figures }) => figures.accepted],
  ["unknown", (_, { figures }) => figures.unknown],
  ["attempts begun", (_, { figures }) => figures.starts],
  ["lost", (_, { figures }) => figures.lost],
  ["doubled outcomes", (_, { figures }) => figures.doubledOutcomes],
  [
    "doubled effects",
    (_, { figures, areEffectsOnce }) => `${figures.doubledEffects}${areEffectsOnce ? "" : " (told)"}`,
  ],
  ["phantom", (_, { figures }) => figures.phantom],
  ["time", ({ seconds }) => `${Math.round(seconds)} s`],
];

export function markdown(results: readonly Result[], command: string, columns = usual): string {
  const rows = results.flatMap((result) => {
    const { played, scenario, skipped } = result;
    if (played !== undefined) return [columns.map(([, cell]) => shown(cell(result, played)))];
    return skipped === undefined ? [] : [rowLeftOut(shown(scenario.fault), { skipped, columns })];
  });
  const titles = columns.map(([title]) => title);
  const rule = columns.map((_, index) => (index < 2 ? "---" : "---:"));
  const table = [titles, rule, ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  const notes = results.flatMap(({ engine, scenario, played }) =>
    (played?.notes ?? []).map((note) => `- ${scenario.name}, ${engine}: ${note}`),
  );
  const parts = [
    `From \`${command}\`:`,
    table.join("\n"),
    bounds(results).join("\n"),
    notes.join("\n"),
    complaints(results),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function shown(value: string | number): string {
  return typeof value === "number" ? value.toLocaleString("en") : value.replaceAll("|", "\\|");
}
