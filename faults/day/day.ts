// Plays one day and counts what came of it.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { sluiceCommand, temporaryFolder } from "@sluice/testing";
import { seededRandom } from "../../packages/sluice/src/core/seeded-random.ts";
import { Books, readBooks } from "./books.ts";
import { openClusterStage } from "./cluster-day-stage.ts";
import { readDayLog } from "./day-logs.ts";
import { DaySender } from "./day-sender.ts";
import type { DayStage } from "./day-stage.ts";
import { openEmbeddedStage } from "./embedded-stage.ts";
import type { DayEngine } from "./flags.ts";
import { killAll, type Kill } from "./killer.ts";
import { dayParcels, type Parcels } from "./parcels.ts";
import { readBack } from "./read-back.ts";
import { ratePerHourShare } from "./shape.ts";
import { forbiddenOfDay, Tally, type DayFigures } from "./tally.ts";
import { noteResults } from "./told-results.ts";
import { Watch, type Sample } from "./watch.ts";

export interface DayOptions {
  readonly engine: DayEngine;
  readonly requests: number;
  /** Of each process. */
  readonly kills: number;
  readonly seed: number;
  /** Simulated seconds in a second. */
  readonly speed: number;
  /** Told as soon as a phase ends. */
  readonly onPhase: (phase: Phase) => void;
}

export interface Phase {
  readonly name: string;
  readonly seconds: number;
}

export interface DayResult {
  readonly figures: DayFigures;
  readonly phases: readonly Phase[];
  readonly kills: readonly Kill[];
  readonly samples: readonly Sample[];
  readonly peakMiB: ReadonlyMap<string, number>;
  readonly behindMsMax: number;
  readonly versions: Readonly<Record<string, string>>;
  /** Empty when the day passed. */
  readonly violations: readonly string[];
}

/** With nothing coming about for so long, or for an hour of the day, the rest never will. */
const stillMsLeast = 120_000;
const lookAgainMs = 200;
const execute = promisify(execFile);

export async function playDay(options: DayOptions): Promise<DayResult> {
  const { requests, seed, speed } = options;
  await using folder = await temporaryFolder();
  const parcels = dayParcels(seed, requests);
  const ratePerHour = Math.round(requests * ratePerHourShare * speed);
  const phases: Phase[] = [];
  const timed = async <Value>(name: string, act: () => Promise<Value>): Promise<Value> => {
    const startedAt = performance.now();
    const value = await act();
    const phase = { name, seconds: (performance.now() - startedAt) / 1_000 };
    phases.push(phase);
    options.onPhase(phase);
    return value;
  };
  const open = options.engine === "embedded" ? openEmbeddedStage : openClusterStage;
  await using stage = await timed("start", () => open({ folder: folder.path, ratePerHour }));
  const versions = await stage.versions();
  const lived = await liveThrough({ ...options, stage, folder: folder.path, parcels, timed });
  const violations = [...lived.violations];
  const tally = new Tally(parcels);
  await timed("read the books", () => readBooks(booksIn(folder.path), (line) => tally.heed(line)));
  await timed("read back every request and result", () => readBack({ urls: stage.urls, tally, total: requests }));
  violations.push(...(await timed("audit", () => audit(stage, requests))));
  violations.push(...(await timed("look at the broker, and stop", () => end(stage))));
  await timed("read B's logs", () => readLogs(folder.path, tally));
  const figures = tally.figures();
  return { ...lived, figures, phases, versions, violations: [...violations, ...judge(figures, options)] };
}

interface Life extends DayOptions {
  readonly stage: DayStage;
  readonly folder: string;
  readonly parcels: Parcels;
  readonly timed: <Value>(name: string, act: () => Promise<Value>) => Promise<Value>;
}

type Lived = Pick<DayResult, "kills" | "samples" | "peakMiB" | "behindMsMax" | "violations">;

/** The day itself: arrivals, kills and drain. */
async function liveThrough({ stage, folder, parcels, timed, ...options }: Life): Promise<Lived> {
  const { urls, victims } = stage;
  await using books = await Books.open(booksIn(folder));
  const sender = new DaySender({ urls, parcels, books, speed: options.speed });
  using watch = new Watch({ folder, victims, accepted: () => sender.accepted });
  const over = new AbortController();
  const kills: Kill[] = [];
  const killing = killAll({
    victims,
    onKill: (kill) => kills.push(kill),
    watch,
    kills: options.kills,
    progressMax: 2 * parcels.total,
    random: seededRandom(options.seed, "kills"),
    signal: over.signal,
  });
  killing.catch(() => undefined); // awaited, and told, at the end of the arrivals
  const noting = noteResults({ url: urls[0], books, sender }, { signal: over.signal });
  const stillMsMax = Math.max(stillMsLeast, 3_600_000 / options.speed);
  const still = whenStill(watch, { stillMsMax, signal: over.signal });
  void still.then(() => over.abort());
  await timed("arrivals, under kills", () => sender.send({ signal: over.signal }));
  const violations = await timed("drain, under kills", async () => {
    const end = await Promise.race([killing, still]);
    return end === "still" ? ["nothing came about any more, under kills"] : await drained(stage, over.signal);
  });
  over.abort();
  await noting;
  if (violations.length > 0 && (await readBacklog(urls[0])) === undefined)
    throw new Error([...violations, ...stage.wrongEnds()].join("\n"));
  const { samples, peakMiB } = watch;
  return { kills, samples, peakMiB, behindMsMax: sender.behindMsMax, violations };
}

/** Resolves once nothing has come about for long, or the signal aborts. */
async function whenStill(
  watch: Watch,
  { stillMsMax, signal }: { readonly stillMsMax: number; readonly signal: AbortSignal },
): Promise<"still"> {
  while (!signal.aborted && watch.elapsedMs - watch.movedAtMs < stillMsMax) await delay(lookAgainMs);
  return "still";
}

/** Waits for the last outcome; a sentence when it does not come. */
async function drained({ urls: [url] }: DayStage, signal: AbortSignal): Promise<readonly string[]> {
  for (;;) {
    const backlog = await readBacklog(url);
    if (backlog === 0) return [];
    if (signal.aborted) return [`${backlog ?? "unknown"} requests are in the backlog, and stay there`];
    await delay(lookAgainMs);
  }
}

/** Undefined while the gateway is away. */
async function readBacklog(url: string): Promise<number | undefined> {
  try {
    const response = await fetch(`${url}/v1/queues/orders`);
    return response.ok ? ((await response.json()) as { backlog: number }).backlog : undefined;
  } catch {
    return undefined; // it was killed a moment ago
  }
}

/** As a user would ask for it, at each gateway. */
async function audit({ urls }: DayStage, requests: number): Promise<readonly string[]> {
  const violations: string[] = [];
  for (const url of urls) {
    const stdout = await auditText(url);
    if (!isWhole(stdout, requests)) violations.push(`the audit at ${url} is not of ${requests} done ones: ${stdout}`);
  }
  return violations;
}

/** What it printed, whatever it thinks of it. */
async function auditText(url: string): Promise<string> {
  try {
    return (await execute(process.execPath, [sluiceCommand, "audit", "--url", url, "--json"])).stdout;
  } catch (error) {
    const { stdout = "", message = "" } = error as { readonly stdout?: string; readonly message?: string };
    return stdout || message;
  }
}

function isWhole(text: string, requests: number): boolean {
  const { holds, queues = [] } = (text.startsWith("{") ? JSON.parse(text) : {}) as {
    holds?: boolean;
    queues?: readonly { accepted: number; done: number }[];
  };
  const [orders] = queues;
  return holds === true && queues.length === 1 && orders?.accepted === requests && orders.done === requests;
}

async function end(stage: DayStage): Promise<readonly string[]> {
  const left = await stage.leftovers();
  return [...left, ...(await stage.stop())];
}

async function readLogs(folder: string, tally: Tally): Promise<void> {
  await readDayLog(folder, "starts", () => tally.heedStart());
  await readDayLog(folder, "effects", (id, bodyHash) => tally.heedEffect(id, bodyHash));
}

function judge(figures: DayFigures, { requests }: DayOptions): readonly string[] {
  return [
    ...forbiddenOfDay.filter((name) => figures[name] !== 0).map((name) => `${name} is ${figures[name]}`),
    ...(figures.accepted === requests ? [] : [`${figures.accepted} of ${requests} were accepted`]),
  ];
}

function booksIn(folder: string): string {
  return join(folder, "books.log");
}
