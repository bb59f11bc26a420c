// npm run day -- [--engine embedded|cluster] [--requests N] [--orders N] [--kills N] [--seed N] [--speed N] [--report FILE]
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { drawBacklog } from "../../packages/sluice/src/rehearsal/draw-backlog.ts";
import { openClusterField } from "../cluster/cluster-field.ts";
import { Servers } from "../cluster/servers.ts";
import { openEmbeddedField } from "../embedded-field.ts";
import { engines, type EngineName } from "../engines.ts";
import type { FieldSetting } from "../field.ts";
import { playDay, type DayResult } from "./day.ts";
import { dayMarkdown, dayText } from "./day-report.ts";

const help = `Two million requests in a day's shape, compressed, while every process is killed again and again.

  npm run day -- [flags]

  --engine E      embedded (one process), or cluster: two gateways and three workers on servers of their own (embedded)
  --requests N    of the whole day (2000000)
  --orders N      order keys, which the requests have in turn (none); their order is checked as well
  --kills N       of each process, with SIGKILL (20)
  --seed N        the same seed sends the same and draws the same moments
  --speed N       simulated seconds in a second; unless given, so that the peak brings 16,667 requests a second to
                  embedded and 5,000 to cluster
  --report FILE   writes the figures there as Markdown, and the backlog's curve beside it
  --help`;

const peakPerSecond: Readonly<Record<EngineName, number>> = { embedded: 16_667, cluster: 5_000 };
/** The day's total arrives in ten such hours. */
const peakSeconds = 10 * 3_600;

const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "embedded" },
    requests: { type: "string", default: "2000000" },
    orders: { type: "string" },
    kills: { type: "string", default: "20" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    speed: { type: "string" },
    report: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(help);
else process.exitCode = await main();

async function main(): Promise<number> {
  const { report: reportFile } = values;
  const engine = engines.find((name) => name === values.engine);
  const [requests, kills, seed] = [values.requests, values.kills, values.seed].map(count) as [number, number, number];
  const orders = values.orders === undefined ? 0 : count(values.orders);
  const usual = engine === undefined ? 1 : Math.max(1, Math.round((peakPerSecond[engine] * peakSeconds) / requests));
  const speed = values.speed === undefined ? usual : count(values.speed);
  if (engine === undefined || [requests, orders, kills, seed, speed].some(Number.isNaN)) {
    console.error(help);
    return 64;
  }
  const size = `--requests ${requests}${orders === 0 ? "" : ` --orders ${orders}`}`;
  const command = `npm run day -- --engine ${engine} ${size} --kills ${kills} --seed ${seed} --speed ${speed}`;
  console.error(command);
  const commit = describeCommit(); // before the report makes the tree dirty
  await using servers = await Servers.open();
  const open = (setting: FieldSetting) =>
    engine === "embedded"
      ? openEmbeddedField(undefined, setting)
      : openClusterField({ servers, logFolder: undefined }, setting);
  const result = await playDay({ open, requests, orders, kills, seed, speed });
  console.log(dayText(result));
  if (reportFile !== undefined) {
    const curveFile = reportFile.replace(/(?:\.md)?$/, ".svg");
    const setting = { engine, requests, orders, seed, speed, command, machine: describeMachine(), commit };
    writeFileSync(reportFile, dayMarkdown(setting, result, basename(curveFile)));
    writeFileSync(curveFile, curveOf(result, `Backlog, ${engine}: requests that wait`));
  }
  return result.violations.length === 0 ? 0 : 1;
}

/** From 1; NaN for what is no such number. */
function count(text: string): number {
  return /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
}

function curveOf({ rehearsed: { curve, kills } }: DayResult, title: string): string {
  return drawBacklog({ title, points: curve, kills });
}

function describeMachine(): string {
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores of ${cpus()[0]?.model.trim() ?? "an unknown processor"}, ${gib} GiB, Linux ${release()}`;
}

/** Of the code; undefined outside of a repository. */
function describeCommit(): string | undefined {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return undefined; // no git, or no repository
  }
}
