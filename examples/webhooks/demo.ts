// The demo: real webhooks in, the server killed on the way, and a count of what came out.
import { mkdir } from "node:fs/promises";
import { createClient } from "@sluice/client";
import type { SluiceClient, WireQueueAudit } from "@sluice/client";
import { temporaryFolder } from "@sluice/testing";
import { Backlog } from "./demo/backlog.ts";
import { help, parseFlags } from "./demo/flags.ts";
import type { Flags } from "./demo/flags.ts";
import { Ledger } from "./demo/ledger.ts";
import { ReadBack } from "./demo/read-back.ts";
import { formatCount, Screen } from "./demo/screen.ts";
import { send } from "./demo/send.ts";
import { Server } from "./demo/server.ts";
import { webhooks } from "./webhooks.ts";

const screen = new Screen();
const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort());

process.exitCode = await run(process.argv.slice(2)).catch(failed);

async function run(args: readonly string[]): Promise<number> {
  const flags = parseFlags(args);
  if (!flags.isHelp) return demo(flags);
  screen.say(help);
  return 0;
}

async function demo(asked: Flags): Promise<number> {
  const { signal } = interrupt;
  await using folder = await temporaryFolder();
  const dataFolder = asked.dataFolder ?? folder.path;
  await mkdir(dataFolder, { recursive: true });
  await using server = await Server.start({ dataFolder, port: asked.port });
  const client = createClient({ url: server.url, retry: { attemptsMax: 1 } }); // the demo repeats, and counts
  const ledger = new Ledger(asked.requests);
  const backlog = new Backlog({ client, server, signal });
  const before = (await client.queue("github", { signal })).accepted;

  screen.say(`Sluice is up at ${server.url}, its data in ${dataFolder}`);
  screen.say(
    `Sending ${formatCount(asked.requests)} webhooks: ${webhooks.length} real ones, each time with a fresh key\n`,
  );
  await sendAndKill({ ledger, backlog, client, server, kills: asked.kills });
  await drain(ledger, backlog);
  const results = await readBack(ledger, client);
  return conclude({ ledger, results, audit: await auditOf(client), before });
}

interface SendAndKill {
  readonly ledger: Ledger;
  readonly backlog: Backlog;
  readonly client: SluiceClient;
  readonly server: Server;
  readonly kills: number;
}

async function sendAndKill({ ledger, backlog, client, server, kills }: SendAndKill): Promise<void> {
  const sent = new AbortController();
  const startedAt = performance.now();
  using _progress = screen.follow(() => ({
    label: server.isUp ? "sending" : "killed",
    fraction: ledger.acceptedCount / ledger.entries.length,
    text: `${progressOf(ledger, backlog)}  ${formatCount(perSecond(ledger.acceptedCount, startedAt))}/s`,
  }));
  const sending = send({ ledger, client, server, signal: interrupt.signal });
  const killing = killOnTheWay({ ledger, server, kills });
  const working = Promise.all([sending, killing]).finally(() => sent.abort());
  await Promise.all([working, backlog.watch(sent.signal)]);
}

/** Kills the server at even distances: once in the middle, twice at the thirds, and so on. */
async function killOnTheWay({
  ledger,
  server,
  kills,
}: Pick<SendAndKill, "ledger" | "server" | "kills">): Promise<void> {
  for (let kill = 1; kill <= kills; kill += 1) {
    await ledger.accepted(Math.ceil((ledger.entries.length * kill) / (kills + 1)));
    const accepted = ledger.acceptedCount;
    const { pid, nextPid, downMs } = await server.crash();
    screen.say(
      `${screen.bold(`✗ killed with SIGKILL`)} (process ${pid}) after ${formatCount(accepted)} were accepted; ` +
        `up again as process ${nextPid} after ${Math.round(downMs)} ms`,
    );
  }
}

async function drain(ledger: Ledger, backlog: Backlog): Promise<void> {
  using _progress = screen.follow(() => ({
    label: "draining",
    fraction: 1 - (backlog.latest?.backlog ?? 0) / ledger.entries.length,
    text: progressOf(ledger, backlog),
  }));
  await backlog.drained();
}

async function readBack(ledger: Ledger, client: SluiceClient): Promise<ReadBack> {
  const results = new ReadBack();
  using _progress = screen.follow(() => ({
    label: "reading",
    fraction: results.count / ledger.entries.length,
    text: `${formatCount(results.count)} results read back`,
  }));
  await results.run(ledger, { client, signal: interrupt.signal });
  return results;
}

function progressOf({ acceptedCount }: Ledger, { latest }: Backlog): string {
  return `${formatCount(acceptedCount)} accepted  ${formatCount(latest?.counts.done ?? 0)} done`;
}

async function auditOf(client: SluiceClient): Promise<WireQueueAudit> {
  const { queues } = await client.audit({ signal: interrupt.signal });
  const audit = queues.find(({ queue }) => queue === "github");
  if (audit === undefined) throw new Error("the audit does not name the queue github");
  return audit;
}

interface Conclusion {
  readonly ledger: Ledger;
  readonly results: ReadBack;
  readonly audit: WireQueueAudit;
  /** What the data folder had accepted before the demo. */
  readonly before: number;
}

/** Prints the figures; the exit code is 1 if any of them is not as it must be. */
function conclude({ ledger, results, audit, before }: Conclusion): number {
  const { acceptedCount, unknownCount, knownAgainCount } = ledger;
  const { queue: _queue, accepted, missing, ...states } = audit;
  const extra = accepted - before - acceptedCount;
  const sum = Object.entries(states).map(([state, count]) => `${state} ${formatCount(count)}`);
  const line = (label: string, text: string): void => screen.say(`  ${label.padEnd(20)} ${text}`);

  screen.say();
  line("sent", `${formatCount(ledger.entries.length)} webhooks`);
  line("accepted", formatCount(acceptedCount));
  line(
    "answers cut off",
    `${formatCount(unknownCount)}, each sent again with its key: ${sayUnknown(unknownCount, knownAgainCount)}`,
  );
  line("done", formatCount(states.done));
  line("dead", formatCount(states.dead));
  line("results read back", `${formatCount(results.rightCount)}, each one compared with what it must say`);
  if (results.wrongCount > 0) line("wrong results", formatCount(results.wrongCount));
  if (extra !== 0) line("accepted twice", formatCount(extra));
  line(
    "law of conservation",
    `accepted ${formatCount(accepted)} = ${sum.join(" + ")}: ${missing === 0 ? "holds" : "BROKEN"}`,
  );
  const lost = acceptedCount - results.rightCount - results.wrongCount;
  line("", screen.bold(`lost ${formatCount(lost)}`));
  const isRight = lost === 0 && results.wrongCount === 0 && extra === 0 && missing === 0;
  return isRight && acceptedCount === ledger.entries.length ? 0 : 1;
}

function sayUnknown(unknownCount: number, knownAgainCount: number): string {
  return `${formatCount(knownAgainCount)} had been stored, ${formatCount(unknownCount - knownAgainCount)} had not`;
}

function perSecond(count: number, startedAt: number): number {
  return count / ((performance.now() - startedAt) / 1_000);
}

function failed(error: unknown): number {
  if (interrupt.signal.aborted) {
    screen.say("interrupted: the server is stopped");
    return 130;
  }
  screen.say(error instanceof Error ? error.message : String(error));
  return 1;
}
