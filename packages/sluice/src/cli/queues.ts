import { setTimeout as sleep } from "node:timers/promises";
import type { SluiceClient, WireQueue } from "@sluice/client";
import type { Command } from "commander";
import { queueForecast } from "./describe.ts";
import { catchInterrupts } from "./interrupt.ts";
import { formatCount, printJson, printLine, tableOf, type Column } from "./print.ts";
import { addServerOptions, clientOf, type ServerOptions } from "./server-options.ts";

interface QueuesOptions extends ServerOptions {
  readonly watch?: true;
}

const watchMs = 2_000;

const afterHelp = `
in/h and out/h: requests accepted and finished in the last minute, times 60. "-" until the
gateway has watched for a minute.
claimed, running, committing: held by workers and not begun; with a handler that runs; ended, with
the outcome being stored.
breakers: the workers that deliver nothing because their target is down.
stalled: something waits and nothing is delivered or finished; for how long, and why.

Examples:
  sluice queues
  sluice queues orders --watch
  sluice queues --json | jq '.queues[] | {name, backlog}'
`;

export function registerQueues(program: Command): void {
  const command = program
    .command("queues")
    .summary("show queues: backlog, rates, forecast")
    .description("Shows what waits in each queue, how fast it moves, and when the backlog drains.")
    .argument("[name]", "one queue; without it, all")
    .option("--watch", `show it again every ${watchMs / 1_000} seconds`)
    .addHelpText("after", afterHelp)
    .action(queues);
  addServerOptions(command);
}

async function queues(name: string | undefined, options: QueuesOptions): Promise<void> {
  using interrupts = catchInterrupts();
  const signal = interrupts.stop;
  const client = clientOf(options);
  const show = async () =>
    name === undefined ? showAll(client, options, signal) : showOne(client, { ...options, name }, signal);
  try {
    await show();
    while (options.watch) {
      await sleep(watchMs, undefined, { signal });
      await show();
    }
  } catch (error) {
    if (!options.watch || !signal.aborted) throw error; // leaving a watch is no failure
  }
}

async function showAll(client: SluiceClient, options: QueuesOptions, signal: AbortSignal): Promise<void> {
  const all = await client.queues({ signal });
  if (options.json) printJson({ queues: all });
  else draw(all, options);
}

async function showOne(
  client: SluiceClient,
  options: QueuesOptions & { readonly name: string },
  signal: AbortSignal,
): Promise<void> {
  const queue = await client.queue(options.name, { signal });
  if (options.json) printJson(queue);
  else draw([queue], options);
}

function draw(rows: readonly WireQueue[], { watch }: QueuesOptions): void {
  if (watch && process.stdout.isTTY) process.stdout.write("\x1b[H\x1b[2J");
  printLine(rows.length === 0 ? "There is no queue yet." : tableOf(rows, columns(Date.now())).trimEnd());
}

function columns(now: number): readonly Column<WireQueue>[] {
  const count = (title: string, of: (queue: WireQueue) => number): Column<WireQueue> => ({
    title,
    align: "right",
    of: (queue) => formatCount(of(queue)),
  });
  const rate = (title: string, of: (queue: WireQueue) => number): Column<WireQueue> => ({
    title,
    align: "right",
    of: (queue) => (queue.rates.observedSeconds < 60 ? "-" : formatCount(of(queue))),
  });
  return [
    { title: "QUEUE", of: ({ name }) => name },
    count("BACKLOG", ({ backlog }) => backlog),
    count("WAITING", ({ counts }) => counts.waiting),
    count("SCHEDULED", ({ counts }) => counts.scheduled),
    count("CLAIMED", ({ deliveries }) => deliveries.claimed),
    count("RUNNING", ({ deliveries }) => deliveries.running),
    count("COMMITTING", ({ deliveries }) => deliveries.committing),
    count("DONE", ({ counts }) => counts.done),
    count("DEAD", ({ counts }) => counts.dead),
    rate("IN/H", ({ rates }) => rates.accepted.m1),
    rate("OUT/H", ({ rates }) => rates.finished.m1),
    count("WORKERS", ({ workers }) => workers),
    count("BREAKERS", ({ breakersOpen }) => breakersOpen),
    { title: "FORECAST", of: (queue) => queueForecast(queue, now) },
  ];
}
