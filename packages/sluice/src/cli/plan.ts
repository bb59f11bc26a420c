// `sluice plan`: what a day will cost, before it comes.
import { InvalidArgumentError, type Command } from "commander";
import { formatDuration } from "../core/duration.ts";
import { messageOf } from "../core/errors.ts";
import { parseArrivals, type Arrivals } from "../planner/arrivals.ts";
import { drawPlan } from "../planner/draw-plan.ts";
import { waitsOfGroups } from "../planner/group-waits.ts";
import { meanRandomWaitMs } from "../planner/random-wait.ts";
import { plan, samplesOf, type Plan, type PlanOptions, type Run } from "../planner/plan.ts";
import { countTimes } from "../planner/recorded-arrivals.ts";
import { seriesOf, type Point } from "../planner/series.ts";
import type { Sample } from "../planner/simulate.ts";
import { CommandError, usageError } from "./failure.ts";
import { planSettings, settingOption } from "./flag-settings.ts";
import { catchInterrupts } from "./interrupt.ts";
import { addGroupFlags, groupsHelp, groupsView, printGroups, readGroups, type GroupFlags } from "./plan-groups.ts";
import { formatCount, printJson, printLine, printTable, type Column } from "./print.ts";
import { readRecording, type RecordedFile } from "./recorded-file.ts";
import { addServerOptions, clientOf, type ServerOptions } from "./server-options.ts";
import { writeText } from "./text-file.ts";

interface PlanFlags extends ServerOptions, GroupFlags {
  readonly arrivals?: string;
  readonly csv?: string;
  readonly accessLog?: string;
  readonly history?: string;
  readonly service: number;
  readonly rate?: number;
  readonly replicas: number;
  readonly autoscale?: true;
  readonly min: number;
  readonly maxWait: number;
  readonly hold: number;
  readonly disk: number;
  readonly start?: number;
  readonly svg?: string;
  readonly draw?: number;
}

const chartCells = 60;
const bars = " ▁▂▃▄▅▆▇█";
const pageSize = 1_000;
/** What is read of a history: newest first, as far as memory stays small. */
const historyMax = 2_000_000;
/** Less of the longest wait that is wanted is not worth a line. */
const tellingShare = 0.01;

const afterHelp = `
Arrivals come from one of four places: a phrase, a CSV of time,count, a web server's access
log, or the requests that a running Sluice still keeps (--history QUEUE, read from --url; finished requests are
forgotten after their retention, so it shows no more than that; the newest ${formatCount(historyMax)} are read).

A time in a CSV is written in ISO 8601 (local time without a zone), in seconds from the start (up to 7 digits), or in seconds,
milli-, micro- or nanoseconds since 1970 (10, 13, 16 or 19 digits). With semicolons between the cells, a count such as 1.200 has two meanings: it is skipped.

Files may be gzipped, and larger than memory; UTF-16 needs its byte order mark. Lines that cannot be read are skipped,
and those that are more than 366 days away from the middle of the recording; standard error says how many and why the
first one was. Requests are counted as finely as their times are told: by the second or millisecond, more coarsely
where that would be over 700,000 counts. The peak is the rate of the busiest minute.

The day runs as a fluid, 15 seconds a step, first in first out: the waits are those of a backlog. What requests of a
phrase would wait for each other besides, if they came at random below full load, is told where it is 1% of
--max-wait or more (the mean of M/D/c, each replica taking one at a time).
--autoscale lets the autoscaler's own policy choose the replicas, from --min to --replicas; without it there is a
line for every number from 1 to --replicas.
DISK counts every request of the day, since finished ones are kept with their results.
${groupsHelp}
Examples:
  sluice plan --arrivals "200000/h for 10h" --service 100000/h
  sluice plan --arrivals "50000/h for 2h, 200000/h for 10h" --service 60000/h --replicas 8 --max-wait 5m --svg day.svg
  sluice plan --access-log access.log --service 20/s --autoscale --replicas 8 --json
  sluice plan --history orders --url http://127.0.0.1:8080 --service 100000/h
  sluice plan --arrivals "200000/h for 10h" --service 100000/h --draw 1 --group big=90 --group small=10
`;

export function registerPlan(program: Command): void {
  const command = program
    .command("plan")
    .summary("see a day beforehand: backlog, waits, replicas")
    .description("Simulates a day of arrivals and names the fewest replicas that keep the longest wait.")
    .option("--arrivals <phrase>", 'such as "200000/h for 10h", several phases with commas between')
    .option("--csv <file>", "arrivals as rows of time,count")
    .option("--access-log <file>", "arrivals from an access log in common or combined format")
    .option("--history <queue>", "arrivals as a running Sluice had them")
    .addOption(
      settingOption(
        "--service <rate>",
        "what one replica finishes, such as 100000/h",
        planSettings.service,
      ).makeOptionMandatory(),
    )
    .addOption(
      settingOption("--rate <rate>", "the queue's own rate, which no number of replicas exceeds", planSettings.rate),
    )
    .addOption(settingOption("--replicas <n>", "the most replicas to look at", planSettings.replicas))
    .option("--autoscale", "let the scaling policy choose, up to --replicas")
    .addOption(settingOption("--min <n>", "the fewest replicas under --autoscale", planSettings.min))
    .addOption(settingOption("--max-wait <duration>", "the longest wait that is wanted", planSettings.maxWait))
    .addOption(
      settingOption(
        "--hold <duration>",
        "how long fewer must be enough before one goes, under --autoscale",
        planSettings.hold,
      ),
    )
    .addOption(settingOption("--disk <size>", "disk per request, with its result", planSettings.disk))
    .option("--start <time>", "when a phrase begins, in ISO 8601; now unless given", timeFlag)
    .option("--svg <file>", "write the drawing of one run as SVG")
    .addOption(
      settingOption(
        "--draw <n>",
        "which run is drawn; the smallest that keeps the wait unless given, or the last",
        planSettings.draw,
      ),
    )
    .addHelpText("after", afterHelp)
    .action(planDay);
  addServerOptions(addGroupFlags(command));
}

async function planDay(given: PlanFlags): Promise<void> {
  const groups = await readGroups(given);
  const flags = groups?.ratePerHour === undefined ? given : { rate: groups.ratePerHour, ...given };
  if (flags.min > flags.replicas) {
    throw usageError(`--min must be at most --replicas, got ${flags.min} and ${flags.replicas}`);
  }
  const { arrivals, ...recorded } = await readArrivals(flags);
  const options = optionsOf(flags, arrivals);
  const planned = plan(options);
  const drawn = drawnOf(planned, flags);
  if (flags.svg !== undefined) await writeSvg(flags.svg, drawn, samplesOf(options, drawn));
  const waited = groups && waitsOfGroups({ ...options, ...groups, samples: samplesOf(options, drawn) });
  if (flags.json)
    printJson({
      ...viewOf(planned, recorded),
      ...(waited && { groups: { replicas: drawn.replicas, ...groupsView(groups, waited) } }),
    });
  else {
    printPlan(planned, flags);
    printCourse(drawn, samplesOf(options, drawn));
    if (waited) printGroups(groups, waited);
  }
}

function drawnOf({ runs, smallest }: Plan, { draw }: PlanFlags): Run {
  const wanted = draw ?? smallest;
  const found = wanted === undefined ? runs.at(-1) : runs.find(({ replicas }) => replicas === wanted);
  if (found === undefined) throw usageError(`--draw must name one of the runs, got ${wanted}`);
  return found;
}

function optionsOf(flags: PlanFlags, arrivals: Arrivals): PlanOptions {
  const { min, replicas: max, maxWait: maxWaitMs, hold: holdMs, rate: ratePerHour } = flags;
  return {
    arrivals,
    service: { perReplicaPerHour: flags.service, ratePerHour },
    maxWaitMs,
    diskBytesPerRequest: flags.disk,
    replicas: flags.autoscale
      ? { kind: "policy", goal: { min, max, maxWaitMs, ratePerHour, holdMs } }
      : { kind: "table", most: max },
  };
}

async function readArrivals(flags: PlanFlags): Promise<RecordedFile | { readonly arrivals: Arrivals }> {
  const { arrivals, csv, accessLog, history } = flags;
  const given = [arrivals, csv, accessLog, history].filter((source) => source !== undefined).length;
  if (given !== 1) throw usageError(`give one of --arrivals, --csv, --access-log and --history, got ${given} of them`);
  if (history !== undefined) return { arrivals: countTimes(await readHistory(history, flags)) };
  const parse = async (): Promise<RecordedFile | { readonly arrivals: Arrivals }> => {
    if (csv !== undefined) return await readRecording("csv", csv);
    if (accessLog !== undefined) return await readRecording("access-log", accessLog);
    return { arrivals: parseArrivals(arrivals ?? "", flags.start ?? Date.now()) };
  };
  return parse().catch((error: unknown) => {
    throw error instanceof CommandError ? error : usageError(messageOf(error));
  });
}

async function readHistory(queue: string, flags: PlanFlags): Promise<readonly number[]> {
  using interrupts = catchInterrupts();
  const client = clientOf(flags);
  const times: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.list({ queue, limit: pageSize, cursor, signal: interrupts.stop });
    for (const { acceptedAt } of page.requests) times.push(Date.parse(acceptedAt));
    cursor = page.nextCursor ?? undefined;
  } while (cursor !== undefined && times.length < historyMax);
  return times;
}

async function writeSvg(file: string, run: Run, samples: readonly Sample[]): Promise<void> {
  const title = `A day with ${replicasText(run.replicas)}: ${formatCount(run.peakBacklog)} waiting at the peak`;
  await writeText(file, drawPlan(samples, title));
}

/** The `plan` shape of the API. */
function viewOf({ arrivals, smallest, runs }: Plan, recorded: { readonly skippedLines?: number }): object {
  return {
    arrivals: { total: Math.round(arrivals.total), peakPerHour: Math.round(arrivals.peakPerHour), ...recorded },
    smallest: smallest ?? null,
    runs: runs.map((run) => ({
      replicas: run.replicas,
      peakBacklog: run.peakBacklog,
      peakAt: new Date(run.peakAt).toISOString(),
      worstWaitSeconds: run.worstWaitMs / 1_000,
      p99WaitSeconds: run.p99WaitMs / 1_000,
      finishedAfterSeconds: run.finishedAfterMs / 1_000,
      utilisation: run.utilisation,
      diskBytes: run.diskBytes,
      replicaHours: run.replicaHours,
    })),
  };
}

function printPlan({ arrivals, smallest, runs }: Plan, flags: PlanFlags): void {
  printLine(`${formatCount(arrivals.total)} requests, at most ${formatCount(arrivals.peakPerHour)} an hour.\n`);
  printTable(runs, columns(arrivals, flags.autoscale ? `${flags.min}..${flags.replicas}` : undefined));
  const goal = `a longest wait of ${formatDuration(flags.maxWait)}`;
  const most = flags.autoscale ? `the policy with up to ${flags.replicas}` : `1 to ${flags.replicas}`;
  if (smallest === undefined) printLine(`\nNone of these (${most}) keeps ${goal}.`);
  else if (flags.autoscale) printLine(`\nThe policy keeps ${goal} with at most ${replicasText(smallest)} at once.`);
  else {
    printLine(`\nThe smallest number that keeps ${goal}: ${replicasText(smallest)}.`);
    printRandomWait(smallest, arrivals, flags);
  }
}

/** Recorded arrivals are as random as they were: their waits are in the plan already. */
function printRandomWait(replicas: number, { peakPerHour }: Arrivals, flags: PlanFlags): void {
  if (flags.arrivals === undefined) return;
  const service = { perReplicaPerHour: flags.service, ratePerHour: flags.rate };
  const waitMs = meanRandomWaitMs({ arrivalsPerHour: peakPerHour, replicas, service });
  if (waitMs === undefined || waitMs < flags.maxWait * tellingShare) return;
  printLine(
    `If requests come at random, they wait ${formatDuration(waitMs)} for each other besides at the peak, on average.`,
  );
}

function printCourse({ replicas }: Run, samples: readonly Sample[]): void {
  const length = formatDuration(samples.at(-1)?.atMs ?? 0);
  printLine(`\nThe day with ${replicasText(replicas)}, from the start to ${length} later:`);
  const { arrivals: arriving, service, backlog, waitMs } = seriesOf(samples, chartCells);
  printLine(chartLine("arrivals", arriving, (top) => `${formatCount(top)}/h`));
  printLine(chartLine("service", service, (top) => `${formatCount(top)}/h`));
  printLine(chartLine("backlog", backlog.slice(1), formatCount));
  printLine(chartLine("wait", waitMs.slice(1), formatDuration));
}

function columns({ startAt }: Arrivals, range: string | undefined): readonly Column<Run>[] {
  const right = (title: string, of: (run: Run) => string): Column<Run> => ({ title, align: "right", of });
  return [
    right("REPLICAS", ({ replicas }) => range ?? String(replicas)),
    right("PEAK BACKLOG", ({ peakBacklog }) => formatCount(peakBacklog)),
    right("PEAK AFTER", ({ peakBacklog, peakAt }) => (peakBacklog > 0 ? formatDuration(peakAt - startAt) : "-")),
    right("WORST WAIT", ({ worstWaitMs }) => formatDuration(worstWaitMs)),
    right("P99 WAIT", ({ p99WaitMs }) => formatDuration(p99WaitMs)),
    right("FINISHED AFTER", ({ finishedAfterMs }) => formatDuration(finishedAfterMs)),
    right("UTILISATION", ({ utilisation }) => `${Math.round(utilisation * 100)}%`),
    right("DISK", ({ diskBytes }) => `${(diskBytes / 1024 ** 3).toFixed(2)}GiB`),
    right("REPLICA HOURS", ({ replicaHours }) => replicaHours.toFixed(1)),
  ];
}

function chartLine(name: string, points: readonly Point[], text: (most: number) => string): string {
  const most = Math.max(...points.map(({ value }) => value));
  const cells = points.map(({ value }) => bars[most > 0 ? Math.ceil((value / most) * (bars.length - 1) - 1e-6) : 0]);
  return `${name.padEnd(8)} |${cells.join("")}| at most ${text(most)}`;
}

function replicasText(replicas: number): string {
  return replicas === 1 ? "1 replica" : `${replicas} replicas`;
}

function timeFlag(text: string): number {
  const at = Date.parse(text);
  if (!Number.isNaN(at)) return at;
  throw new InvalidArgumentError(`Expected a time such as 2026-01-01T08:00:00Z, got "${text}".`);
}
