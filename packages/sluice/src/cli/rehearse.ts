// `sluice rehearse`: a day against a deployment in less time, with processes killed on the way.
import { randomInt, randomUUID } from "node:crypto";
import { basename, extname } from "node:path";
import { Option, type Command } from "commander";
import { systemClock } from "../core/clock.ts";
import { formatDuration, parseSize } from "../core/duration.ts";
import { messageOf } from "../core/errors.ts";
import { seededRandom } from "../core/seeded-random.ts";
import type { GroupShare } from "../planner/group-waits.ts";
import { parseArrivals, type Arrivals } from "../planner/arrivals.ts";
import { compress, lengthMsOf } from "../rehearsal/compressed-day.ts";
import { drawBacklog } from "../rehearsal/draw-backlog.ts";
import { givenPayloads, madeUpPayloads, type Payloads } from "../rehearsal/payloads.ts";
import { phraseOf } from "../rehearsal/profiles.ts";
import { isSame } from "../rehearsal/read-back.ts";
import { rehearse, type Progress, type Rehearsed } from "../rehearsal/rehearse.ts";
import { rehearsalMarkdown, rehearsalText, rehearsalView, type Setting } from "../rehearsal/report.ts";
import type { Placing, Share } from "../rehearsal/turns.ts";
import { CommandError, exitCodes, usageError } from "./failure.ts";
import { rehearseSettings, settingOption } from "./flag-settings.ts";
import { guessContentType, openFile, readWhole } from "./input.ts";
import { catchInterrupts, type Interrupts } from "./interrupt.ts";
import { formatCount, printJson, printLine } from "./print.ts";
import { groupFlag, sumOf } from "./plan-groups.ts";
import { showStatus } from "./progress.ts";
import { readRecording } from "./recorded-file.ts";
import { clientOf, parseUrl } from "./server-options.ts";
import { writeText } from "./text-file.ts";
import { victimsOf } from "./victims.ts";

interface RehearseFlags {
  readonly url: readonly string[];
  readonly queue: string;
  readonly profile: string;
  readonly speed: number;
  readonly requests?: number;
  readonly payload: string;
  readonly contentType?: string;
  readonly echo?: true;
  readonly service?: number;
  readonly kill: readonly string[];
  readonly kills?: number;
  readonly orders?: number;
  readonly groups?: readonly Share[];
  readonly pids?: string;
  readonly seed?: number;
  readonly besideOthers?: true;
  readonly patience: number;
  readonly report?: string;
  readonly json?: true;
}

const defaultUrls: readonly string[] = ["http://127.0.0.1:8080"];
const answerWithinMs = 10_000;
const requestsMax = Number(rehearseSettings.requests.max);
/** Some have clients who send one at a time. */
const singleShare = 0.02;

const afterHelp = `
It sends real requests, and the queue's handler really runs for each of them: rehearse on a deployment that is there for
it. A queue with a backlog is refused unless --beside-others is given; then what only the queue's own count can show
(more or fewer accepted than the books say) is not checked.

PROFILE is a phrase as in sluice plan --arrivals, a CSV file of time,count (its name ends in .csv or .csv.gz), an access log, or one
of these names:
  day    2,000,000: a quiet night, eight hours of 200,000, an evening, and four hours to work off what waits
  peak   its busiest hour: 200,000
  burst  20,000 within 90 seconds
--speed 60x sends an hour in a minute, and so 60 times as many in a second; --requests scales the day down, to a
sixtieth for the same requests in a second. A phase such as "0 for 4h" adds time in which kills may still come.

--service is what the whole deployment finishes an hour by the clock on the wall, for the planner's curve; the queue's
own rate unless given, and no planner's curve where there is neither.

What is checked, over HTTP alone and with books of its own: every receipt has an outcome; its stored body is what was
sent, or with --echo its result is; results that were read on the way are the same in the end; what got no answer was
sent again under its key, and has one id; the queue accepted as many as there are receipts; and the law holds, before
and after (sluice audit). A dead request has its outcome: it is counted, and is no failure.

--orders N gives each request one of N order keys. Then none may have begun before the one of its key before it had its outcome,
nor before one that was accepted earlier: its receipt came before the other was sent, or it stood before it in their batch. Of a
request that was retried, its last attempt counts. --groups a=90,b=10 sends as groups, and tells what each waited for the beginning of
its requests, at the median and the 99th percentile.

--kill NAME=COMMAND runs the command at random moments that the seed fixes; --kills counts all of them. The command
kills, and sees to it that the victim comes back, unless something else does:
  --kill 'worker=docker compose kill -s KILL worker; docker compose start worker'
  --kill 'worker=docker kill $(docker ps -q -f label=com.docker.swarm.service.name=sluice_worker | shuf -n 1)'
  --kill 'worker=kubectl delete --force --grace-period=0 $(kubectl get pod -l app=worker -o name | shuf -n 1)'
--kill gateway,worker kills one of the copies that these roles keep running with --replicas on this host (Linux); their
process ids are read from --pids, which npm run up:cluster writes as processes.json into its data folder. Nothing is
ever killed by its name.

Ctrl-C stops sending and killing, and reports what came of it so far; a second one ends without a report. The exit code
is then 75, and 1 if something was wrong already.

Examples:
  sluice rehearse -q orders --profile day --speed 600x --requests 33000
  sluice rehearse -q orders --profile "200000/h for 10h" --speed 60x --requests 33000
  sluice rehearse -q orders --profile access.log --speed 60x --kill gateway,worker --kills 20 --pids cluster-data/processes.json
  sluice rehearse -q orders --profile "5000/h for 8h, 0 for 2h" --speed 120x --echo --report rehearsal.md
`;

export function registerRehearse(program: Command): void {
  program
    .command("rehearse")
    .summary("run a day in less time, kill processes, see that nothing is lost")
    .description("Sends a day's requests to a deployment in compressed time and checks every one of them.")
    .addOption(
      new Option("--url <url>", "where a gateway listens; again for each further one")
        .env("SLUICE_URL")
        .default(defaultUrls, defaultUrls[0])
        .argParser(urlsFlag),
    )
    .requiredOption("-q, --queue <name>", "the queue to send to")
    .requiredOption(
      "--profile <profile>",
      "when requests arrive: day, peak, burst, a phrase, a CSV file, an access log",
    )
    .addOption(settingOption("--speed <factor>", "simulated seconds in a second", rehearseSettings.speed))
    .addOption(settingOption("--requests <n>", "scale the day to so many requests", rehearseSettings.requests))
    .option("--payload <file|size>", "a file's bytes, an .ndjson file's lines in turn, or made up in this size", "256B")
    .option("-t, --content-type <type>", "the type of a file's bytes")
    .option("--echo", "each result has to be its request's body")
    .addOption(
      settingOption("--service <rate>", "what the deployment finishes, such as 100000/h", rehearseSettings.service),
    )
    .addOption(
      new Option("--kill <victim>", "NAME=COMMAND, or names; may be given again")
        .argParser(collect)
        .default([], "nobody"),
    )
    .addOption(
      settingOption("--kills <n>", "how many kills, in all; one for each victim unless given", rehearseSettings.kills),
    )
    .addOption(settingOption("--orders <n>", "each request gets one of so many order keys", rehearseSettings.orders))
    .addOption(
      new Option("--groups <name=share,…>", "who sends so many percent; the others have no group").argParser(
        groupsFlag,
      ),
    )
    .option("--pids <file>", "JSON of names and process ids, for names without a command")
    .addOption(
      settingOption(
        "--seed <n>",
        "fixes the moments and the order of the kills; drawn unless given",
        rehearseSettings.seed,
      ),
    )
    .option("--beside-others", "the queue may have other requests")
    .addOption(
      settingOption("--patience <duration>", "how long nothing may move before it gives up", rehearseSettings.patience),
    )
    .option("--report <file>", "write a report as Markdown (.md), with the backlog as SVG beside it")
    .option("--json", "print JSON; errors too")
    .addHelpText("after", afterHelp)
    .action(rehearseDay);
}

async function rehearseDay(flags: RehearseFlags): Promise<void> {
  const { url: urls, queue, profile, speed, report } = flags;
  if (report !== undefined && extname(report) !== ".md") throw usageError(`--report must end in .md, got ${report}`);
  const seed = flags.seed ?? randomInt(2 ** 31);
  const run = `rehearsal-${randomUUID().slice(0, 8)}`;
  const setting: Setting = { queue, urls, profile, speed, seed, run, isEcho: flags.echo === true };
  const given = { arrivals: await readProfile(profile), payloads: await readPayloads(flags, run) };
  using interrupts = catchInterrupts(); // not before: the files may be pipes
  const rehearsed = await rehearseWith(flags, { setting, ...given }, interrupts);
  if (report !== undefined) await writeReport(report, setting, rehearsed);
  if (rehearsed.violations.length > 0) process.exitCode = exitCodes.failed;
  else if (rehearsed.isInterrupted) process.exitCode = exitCodes.tryAgain;
  if (flags.json) printJson(rehearsalView(setting, rehearsed));
  else printLine(rehearsalText(setting, rehearsed));
}

interface Given {
  readonly setting: Setting;
  readonly arrivals: Arrivals;
  readonly payloads: Payloads;
}

async function rehearseWith(
  flags: RehearseFlags,
  { setting, arrivals, payloads }: Given,
  { stop, abort }: Interrupts,
): Promise<Rehearsed> {
  const { kill, pids: pidsFile, requests, besideOthers, patience: patienceMs } = flags;
  const { seed, run, speed } = setting;
  const victims = victimsOf(kill, { pidsFile, random: seededRandom(seed, "copies") });
  if (victims.length === 0 && flags.kills !== undefined) throw usageError("--kills needs --kill: whom?");
  const day = compressed(arrivals, { speed, requests });
  const clientsWith = (retryForMs: number) => {
    const [first, ...others] = setting.urls.map((url) => clientOf({ url }, { retryForMs, answerWithinMs }));
    if (first === undefined) throw usageError("--url must be given");
    return [first, ...others] as const;
  };
  using status = new DisposableStack();
  try {
    return await rehearse({
      clients: clientsWith(0),
      patient: clientsWith(patienceMs),
      queue: flags.queue,
      day,
      payloads,
      keyOf: (number) => `${run}-${number}`,
      placing: placingOf(flags),
      seed,
      isResultOf: setting.isEcho ? isSame : undefined,
      singleShare,
      isHeldUp: false,
      isBesideOthers: besideOthers === true,
      servicePerHour: flags.service,
      victims,
      kills: flags.kills ?? victims.length,
      patienceMs,
      clock: systemClock,
      onStart(progress) {
        process.stderr.write(
          `${formatCount(day.total)} requests within ${formatDuration(lengthMsOf(day))}, seed ${seed}\n`,
        );
        status.use(showStatus(() => statusOf(progress())));
      },
      stop,
      abort,
    });
  } catch (error) {
    if (!stop.aborted) throw error;
    throw new CommandError("interrupted", { code: "interrupted", exitCode: exitCodes.tryAgain, cause: error });
  }
}

function statusOf({ accepted, total, unanswered, backlog, kills }: Progress): string {
  const share = Math.floor((accepted / total) * 100);
  return `${share}%, ${formatCount(accepted)} accepted, ${formatCount(backlog)} waiting, ${formatCount(unanswered)} without an answer, ${kills} killed`;
}

function compressed(arrivals: Arrivals, options: { speed: number; requests: number | undefined }): Arrivals {
  const day = compress(arrivals, options);
  if (day.total <= requestsMax) return day;
  throw usageError(`a rehearsal has at most ${requestsMax} requests, got ${Math.round(day.total)}: give --requests`);
}

async function readProfile(profile: string): Promise<Arrivals> {
  const parse = async (): Promise<Arrivals> => {
    const phrase = phraseOf(profile);
    if (/\sfor\s/.test(phrase)) return parseArrivals(phrase, 0);
    const isCsv = /\.csv(\.gz)?$/.test(profile);
    return (await readRecording(isCsv ? "csv" : "access-log", profile)).arrivals;
  };
  return parse().catch((error: unknown) => {
    throw error instanceof CommandError ? error : usageError(messageOf(error));
  });
}

async function readPayloads({ payload, contentType }: RehearseFlags, run: string): Promise<Payloads> {
  const size = sizeOf(payload);
  if (size !== undefined) return madeUpPayloads(run, size);
  const bytes = new Uint8Array(await readWhole(openFile(payload)));
  const extension = extname(payload);
  if (extension !== ".ndjson" && extension !== ".jsonl")
    return givenPayloads([bytes], contentType ?? guessContentType(extension, bytes));
  const lines = Buffer.from(bytes)
    .toString("utf8")
    .split("\n")
    .filter((line) => line.trim() !== "");
  const [first, ...others] = lines.map((line) => new TextEncoder().encode(line));
  if (first === undefined) throw usageError(`${payload} must have a line, got none`);
  return givenPayloads([first, ...others], contentType ?? "application/json");
}

function sizeOf(text: string): number | undefined {
  try {
    return parseSize(text);
  } catch {
    return undefined; // a file then
  }
}

async function writeReport(file: string, setting: Setting, rehearsed: Rehearsed): Promise<void> {
  const curveFile = `${file.slice(0, -".md".length)}.svg`;
  await writeText(file, rehearsalMarkdown(setting, rehearsed, basename(curveFile)));
  const title = `${formatCount(rehearsed.figures.accepted)} requests, ${formatCount(rehearsed.peakBacklog)} waiting at the peak`;
  await writeText(curveFile, drawBacklog({ title, points: rehearsed.curve, kills: rehearsed.kills }));
}

function placingOf({ orders = 0, groups = [] }: RehearseFlags): Placing | undefined {
  sumOf(groups, "--groups");
  return orders === 0 && groups.length === 0 ? undefined : { orders, groups };
}

function groupsFlag(text: string): readonly Share[] {
  return text.split(",").reduce((before: readonly GroupShare[], one) => groupFlag(one, before), []);
}

function urlsFlag(text: string, before: readonly string[]): readonly string[] {
  const url = parseUrl(text);
  return before === defaultUrls ? [url] : [...before, url];
}

function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}
