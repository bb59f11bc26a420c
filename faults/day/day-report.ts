// What came of a day, as text and as Markdown. Pure.
import { backlogOf } from "./curve.ts";
import type { DayOptions, DayResult } from "./day.ts";

export interface Setting extends Pick<DayOptions, "engine" | "requests" | "kills" | "seed" | "speed"> {
  readonly command: string;
  readonly machine: string;
  readonly commit: string | undefined;
}

const engineNames = {
  embedded: "the embedded engine: one `sluice up` with its data folder",
  cluster: "the cluster: two gateways, three workers, PostgreSQL, RabbitMQ and Redis, all on the one machine",
} as const;

export function dayMarkdown(setting: Setting, result: DayResult, curveFile: string): string {
  const { engine, requests, seed, speed, command, machine, commit } = setting;
  const { samples, peakMiB, phases, violations, versions } = result;
  const named = { "Node.js": process.versions.node, ...versions, ...(commit !== undefined && { commit }) };
  const verdict = violations.length === 0 ? "**Nothing was lost or doubled.**" : "**This day failed.**";
  return [
    `# A day of ${text(requests)} requests, ${engine}`,
    "",
    `Written by \`${command}\`. ${verdict}`,
    "",
    `A day in the shape of the case, on ${engineNames[engine]}.`,
    `It is compressed: ${text(speed)} simulated seconds in a second. Each of eight hours brings a tenth of the day's total, and`,
    "service B processes a twentieth an hour, so the backlog grows all day and goes down in the evening. Nine in ten",
    "requests come in batches of up to 500, the others alone, each under a key of its own. Meanwhile every process is",
    "killed with SIGKILL again and again; what got no answer is sent again. In the end every id is listed, and every",
    "result read over HTTP and compared with what its body demands.",
    "",
    `Machine: ${machine}. ${Object.entries(named)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}. Seed ${seed}.`,
    "",
    ...violations.flatMap((violation) => [`- ${violation}`, ""]),
    ...table(["what", "count"], figureRows(result)),
    "",
    ...table(["process", "killed", "peak memory, MiB"], processRows(result, peakMiB)),
    "",
    ...table(["phase", "seconds"], phaseRows(phases)),
    "",
    ...boundLines(result),
    `The backlog was ${text(Math.max(0, ...samples.map(backlogOf)))} at its peak: receipts in the client's books less`,
    "lines in B's log, looked at five times a second. Memory is looked at once a second, a process with its children.",
    "",
    `![The backlog over the day](${curveFile})`,
    "",
  ].join("\n");
}

/** For the terminal. */
export function dayText(result: DayResult): string {
  const rows = [
    ...figureRows(result),
    ...killRows(result),
    ...phaseRows(result.phases).map(([name, s]) => [name, `${s} s`]),
  ];
  const width = Math.max(...rows.map(([name = ""]) => name.length));
  const lines = rows.map(([name = "", value = ""]) => `${name.padEnd(width)}  ${value}`);
  return [...lines, ...result.violations.map((violation) => `RED ${violation}`)].join("\n");
}

/** What the absence of failures is worth. */
function boundLines({ figures, kills, violations }: DayResult): readonly string[] {
  if (violations.length > 0) return [];
  const bound = (count: number): string => `${Number(Math.min(100, 300 / count).toPrecision(2))} %`;
  return [
    `Without a failure, fewer than ${bound(figures.accepted)} of requests and ${bound(kills.length)} of kills can be expected to fail (3/n, 95 %).`,
    "",
  ];
}

function figureRows({ figures, kills, behindMsMax }: DayResult): readonly (readonly string[])[] {
  return [
    ["accepted", text(figures.accepted)],
    ["sent again: no answer came, or nobody listened", text(figures.unknown)],
    ["sent again: refused for the moment (503)", text(figures.refused)],
    ["attempts begun", text(figures.starts)],
    ["effects", text(figures.effects)],
    ["done, with the result that the body demands", text(figures.done)],
    ["dead", text(figures.dead)],
    ["**lost**", text(figures.lost)],
    ["**doubled outcomes**", text(figures.doubledOutcomes)],
    ["doubled effects (told: the effect is made in the process that dies)", text(figures.doubledEffects)],
    ["**phantom**", text(figures.phantom)],
    ["**mismatched**", text(figures.mismatched)],
    ["kills", text(kills.length)],
    ["the client behind the day's clock at most, s", (behindMsMax / 1_000).toFixed(1)],
  ];
}

function killRows({ peakMiB, kills }: DayResult): readonly (readonly [string, string])[] {
  return [...peakMiB.keys()].map((name) => [`${name} killed`, text(kills.filter((kill) => kill.name === name).length)]);
}

function processRows(result: DayResult, peakMiB: DayResult["peakMiB"]): readonly (readonly string[])[] {
  return killRows(result).map(([name, kills]) => {
    const process = name.replace(/ killed$/, "");
    return [process, kills, text(Math.round(peakMiB.get(process) ?? 0))];
  });
}

function phaseRows(phases: DayResult["phases"]): readonly (readonly [string, string])[] {
  const all = phases.reduce((sum, { seconds }) => sum + seconds, 0);
  return [...phases, { name: "all", seconds: all }].map(({ name, seconds }) => [name, seconds.toFixed(1)]);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, column) => (column === 0 ? "---" : "---:"));
  return [line(head), `|${rule.join("|")}|`, ...rows.map(line)];
}

function text(count: number): string {
  return count.toLocaleString("en");
}
