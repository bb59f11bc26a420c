// `sluice move`: takes the requests of a data folder into a cluster. It may be ended at any moment and goes on from there.
import type { Command } from "commander";
import { readDatabaseUrl } from "../config/read-servers.ts";
import { SluiceError } from "../core/errors.ts";
import { states, type State } from "../core/request.ts";
import { addressOf, nodesOf } from "../core/server-url.ts";
import type { QueueAudit } from "../engine/audit.ts";
import type { ComparedRequest } from "../engine/moved.ts";
import type { MoveIn } from "../engines/cluster/move/move-in.ts";
import type { MoveOut } from "../engines/embedded/move-out.ts";
import { CommandError, exitCodes, failureOf } from "./failure.ts";
import { formatCount, printJson, printLine, printTable, type Column } from "./print.ts";
import { showProgress } from "./progress.ts";
import { addConfigFlag, sourcesOf } from "./role-flags.ts";

interface MoveOptions {
  readonly from: string;
  readonly config?: string;
  readonly databaseUrl?: string;
  readonly json?: true;
}

const afterHelp = `
All requests move, with their ids, keys, attempts, failures, outcomes and results, and in the turn of their order keys;
queues and groups that are paused are paused there.
  1. Stop sluice up.
  2. sluice migrate --queue orders           the cluster must know each queue of the folder
  3. sluice move --from ./data
  4. Start sluice gateway and sluice worker  or before: what has moved is delivered from then on

It needs PostgreSQL alone. Killed, or cut off from it, it goes on when it is run again. In the end it counts both sides,
request by request; the exit code is 1 when they differ. The folder stays as it is, but sluice up refuses it from the
first request on that moves: to run it here and there would run it twice. Delete it when you need it no more.

Examples:
  sluice move --from ./data
  DATABASE_URL_FILE=/run/secrets/database-url sluice move --from /var/lib/sluice --json | jq .holds
`;

export function registerMove(program: Command): void {
  const command = program
    .command("move")
    .summary("take a data folder into a cluster")
    .description("Takes the requests of a data folder of sluice up into the PostgreSQL of a cluster.")
    .requiredOption("--from <folder>", "the data folder of sluice up")
    .option("--database-url <url>", "PostgreSQL (env: DATABASE_URL, DATABASE_URL_FILE)");
  addConfigFlag(command).option("--json", "print JSON; errors too").addHelpText("after", afterHelp).action(move);
}

async function move(options: MoveOptions): Promise<void> {
  const { from, json } = options;
  const databaseUrl = await databaseUrlOf(options);
  const to = placeOf(databaseUrl);
  const [{ MoveOut }, { MoveIn }] = await Promise.all([
    import("../engines/embedded/move-out.ts"),
    import("../engines/cluster/move/move-in.ts"),
  ]);
  using out = MoveOut.open(from, `sluice move, process ${process.pid}`);
  await using into = await MoveIn.open({ databaseUrl, folder: out.identity, queues: out.queues });
  const { moved, report } = await moveAndCompare({ out, into, to }).catch((error: unknown) => {
    throw withAdvice(error);
  });
  if (report.holds) out.mark(to, "finished");
  else process.exitCode = exitCodes.failed;
  if (json) printJson({ from, to, moved, ...report });
  else printReport(report, { from, to, moved });
}

async function databaseUrlOf({ config, databaseUrl }: MoveOptions): Promise<string> {
  const { file, overrides, env } = await sourcesOf({ databaseUrl, ...(config !== undefined && { config }) });
  return readDatabaseUrl({ file: file?.cluster, overrides, env });
}

/** Host, port and database: what may be shown of the URL. */
function placeOf(databaseUrl: string): string {
  const [node = ""] = nodesOf(databaseUrl);
  return `${addressOf(databaseUrl)}${new URL(node).pathname}`;
}

interface Sides {
  readonly out: MoveOut;
  readonly into: MoveIn;
  readonly to: string;
}

async function moveAndCompare(sides: Sides): Promise<{ readonly moved: number; readonly report: Report }> {
  const moved = await moveAll(sides);
  return { moved, report: await compare(sides) };
}

/** How many requests this run has moved. */
async function moveAll({ out, into, to }: Sides): Promise<number> {
  let upTo = await into.upTo();
  // Before the first page: half a folder moved, and the rest of it in nobody's hands, helps nobody.
  for (const requests of out.compared(upTo, Date.now())) await into.refuseKeysOfOthers(requests);
  out.mark(to, "begun");
  await into.begin();
  const [total, before] = [out.count(), out.count(upTo)];
  const startedAt = performance.now();
  let moved = 0;
  using _progress = showProgress(() => {
    const fraction = total === 0 ? 1 : (before + moved) / total;
    return { acceptedCount: moved, elapsedMs: performance.now() - startedAt, fraction };
  });
  for (let page = out.page(upTo); page !== undefined; page = out.page(upTo)) {
    await into.store(page);
    upTo = page.upTo;
    moved += page.requests.length;
  }
  return moved;
}

function withAdvice(error: unknown): unknown {
  if (!(error instanceof SluiceError) || !error.isRetryable) return error;
  const { message, code, exitCode } = failureOf(error);
  const advice = "To go on, run the command again: what has moved is not moved twice.";
  return new CommandError(`${message}\n${advice}`, { code, exitCode, cause: error });
}

interface QueueReport {
  readonly queue: string;
  readonly folder: QueueAudit;
  /** What the cluster has of the folder's requests. */
  readonly cluster: QueueAudit;
  /** Finished in the folder and not so in the cluster. */
  readonly differing: number;
  /** Not finished in the folder, and further on in the cluster, which has been at work. */
  readonly advanced: number;
}

interface Report {
  readonly holds: boolean;
  readonly queues: readonly QueueReport[];
}

/** Looks each request of the folder up in the cluster, and holds the law against both. */
async function compare({ out, into }: Sides): Promise<Report> {
  const now = Date.now();
  const tallies = new Map(out.queues.map(({ name, expired }) => [name, new Tally(expired)]));
  for (const requests of out.compared(-1, now)) {
    const found = await into.states(requests, now);
    for (const request of requests) tallies.get(request.queue)?.add(request, found.get(request.id));
  }
  const here = new Map(out.audit(now).queues.map((audit) => [audit.queue, audit]));
  const there = new Map((await into.audit(now)).queues.map((audit) => [audit.queue, audit]));
  const queues = [...tallies].map(([queue, tally]) => {
    const lawMissing = there.get(queue)?.missing ?? 0;
    return tally.report(here.get(queue) as QueueAudit, lawMissing);
  });
  return { holds: queues.every(isWell), queues };
}

function isWell({ folder, cluster, differing }: QueueReport): boolean {
  const isWhole = folder.missing === 0 && cluster.missing === 0 && folder.accepted === cluster.accepted;
  return isWhole && differing === 0;
}

class Tally {
  readonly #counts: Record<State, number>;
  readonly #goneFinished: Record<State, number> = noCounts();
  #gone = 0;
  #differing = 0;
  #advanced = 0;

  constructor(expired: Partial<Record<State, number>>) {
    this.#counts = { ...noCounts(), ...expired };
  }

  add({ state: before }: ComparedRequest, state: State | undefined): void {
    const isOver = before === "done" || before === "cancelled";
    if (state !== undefined) this.#counts[state] += 1;
    else if (isOver || before === "dead") this.#goneFinished[before] += 1;
    else this.#gone += 1;
    if (state === undefined || state === before) return;
    if (isOver) this.#differing += 1;
    else this.#advanced += 1;
  }

  /** Where the cluster's own books are right, what was finished and is gone there has expired. */
  report(folder: QueueAudit, lawMissing: number): QueueReport {
    const areBooksRight = lawMissing === 0;
    const counts = { ...this.#counts };
    if (areBooksRight) for (const state of states) counts[state] += this.#goneFinished[state];
    const accepted = sumOf(counts);
    const gone = areBooksRight ? this.#gone : this.#gone + sumOf(this.#goneFinished);
    const missing = Math.max(gone, Math.abs(lawMissing));
    const cluster = { queue: folder.queue, accepted, ...counts, missing };
    return { queue: folder.queue, folder, cluster, differing: this.#differing, advanced: this.#advanced };
  }
}

function noCounts(): Record<State, number> {
  return { waiting: 0, scheduled: 0, running: 0, done: 0, dead: 0, cancelled: 0 };
}

function sumOf(counts: Readonly<Record<State, number>>): number {
  return states.reduce((sum, state) => sum + counts[state], 0);
}

interface Told {
  readonly from: string;
  readonly to: string;
  readonly moved: number;
}

function printReport({ holds, queues }: Report, { from, to, moved }: Told): void {
  const rows = queues.flatMap(({ queue, folder, cluster }) => [
    { ...folder, queue, where: "folder" },
    { ...cluster, queue: "", where: "cluster" },
  ]);
  if (rows.length > 0) printTable(rows, columns);
  const sum = (of: (queue: QueueReport) => number): number => queues.reduce((all, queue) => all + of(queue), 0);
  const [differing, advanced] = [sum((queue) => queue.differing), sum((queue) => queue.advanced)];
  const missing = sum(({ folder, cluster }) => Math.abs(folder.missing) + cluster.missing);
  printLine(`\nMoved ${formatCount(moved)} requests from ${from} to ${to}.`);
  if (advanced > 0) printLine(`The cluster is at work: ${formatCount(advanced)} have gone on there since.`);
  if (holds) printLine("Both sides agree. sluice up refuses this folder from now on.");
  else printLine(`The sides differ: ${formatCount(missing)} missing, ${formatCount(differing)} with another outcome.`);
}

const columns: readonly Column<QueueAudit & { readonly where: string }>[] = [
  { title: "QUEUE", of: ({ queue }) => queue },
  { title: "WHERE", of: ({ where }) => where },
  ...(["accepted", ...states, "missing"] as const).map((count) => ({
    title: count.toUpperCase(),
    align: "right" as const,
    of: (audit: QueueAudit) => formatCount(audit[count]),
  })),
];
