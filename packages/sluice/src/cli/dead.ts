import type { WireRequest } from "@sluice/client";
import type { Command } from "commander";
import { failureText, requestFields } from "./describe.ts";
import { CommandError, failureOf, usageError } from "./failure.ts";
import { clientSettings, settingOption } from "./flag-settings.ts";
import { catchInterrupts } from "./interrupt.ts";
import { formatCount, printFields, printJson, printLine, printTable, type Column } from "./print.ts";
import { addServerOptions, bulkClientOf, clientOf, type ServerOptions } from "./server-options.ts";

interface ListOptions extends ServerOptions {
  readonly queue?: string;
  readonly limit: number;
}

interface ReplayOptions extends ServerOptions {
  readonly queue?: string;
  readonly error?: string;
  readonly limit?: number;
  readonly dryRun?: true;
}

const afterHelp = `
Examples:
  sluice dead list --queue orders
  sluice dead show 0199d5e2-7c3a-7001-8f00-1d2c3b4a5f60
  sluice dead replay 0199d5e2-7c3a-7001-8f00-1d2c3b4a5f60
  sluice dead replay --queue orders --error target-status --dry-run

A replay of many takes a while: up to ten minutes are allowed. The gateway goes on with it when the command is interrupted.
`;

export function registerDead(program: Command): void {
  const dead = program
    .command("dead")
    .summary("list, show and replay dead requests")
    .description("Works on dead requests: those whose attempts are used up, or that were rejected.")
    .addHelpText("after", afterHelp);
  registerList(dead);
  registerShow(dead);
  registerReplay(dead);
}

function registerList(dead: Command): void {
  const command = dead
    .command("list")
    .description("Lists dead requests, the newest first.")
    .option("-q, --queue <name>", "only those of one queue")
    .addOption(settingOption("--limit <count>", "at most so many", clientSettings.listLimit))
    .action(list);
  addServerOptions(command);
}

async function list({ queue, limit, ...options }: ListOptions): Promise<void> {
  const page = await clientOf(options).list({ queue, limit, state: "dead" });
  if (options.json) return printJson(page);
  if (page.requests.length === 0) return printLine("No request is dead.");
  printTable(page.requests, columns);
  if (page.nextCursor !== null)
    printLine(`There are more than these ${formatCount(page.requests.length)}: raise --limit.`);
}

const columns: readonly Column<WireRequest>[] = [
  { title: "ID", of: ({ id }) => id },
  { title: "QUEUE", of: ({ queue }) => queue },
  { title: "ATTEMPTS", align: "right", of: ({ attempts }) => String(attempts) },
  { title: "FINISHED", of: ({ finishedAt }) => finishedAt ?? "" },
  { title: "ERROR", of: ({ lastError }) => failureText(lastError) },
];

function registerShow(dead: Command): void {
  const command = dead
    .command("show")
    .description("Shows why a request is dead.")
    .argument("<id>", "the request's id")
    .action(show);
  addServerOptions(command);
}

async function show(id: string, options: ServerOptions): Promise<void> {
  const request = await clientOf(options).read(id);
  if (options.json) return printJson(request);
  printFields(requestFields(request));
  printLine(`Its body: sluice get ${id} --body`);
}

function registerReplay(dead: Command): void {
  const command = dead
    .command("replay")
    .description("Runs dead requests again: the same ids, fresh attempts. One by its id, or those of a queue.")
    .argument("[id]", "one request")
    .option("-q, --queue <name>", "the dead requests of this queue")
    .option("--error <code>", "only those whose last error has this code")
    .addOption(settingOption("--limit <count>", "at most so many; 1000 unless given", clientSettings.replayLimit))
    .option("--dry-run", "tell how many, and change nothing")
    .action(replay);
  addServerOptions(command);
}

async function replay(id: string | undefined, options: ReplayOptions): Promise<void> {
  const { queue, error, limit, dryRun } = options;
  if (id !== undefined) {
    if (queue ?? error ?? limit ?? dryRun) throw usageError("--queue, --error, --limit and --dry-run go without an ID");
    return await replayOne(id, options);
  }
  if (queue === undefined) throw usageError("name an ID or --queue");
  const order = {
    ...(error !== undefined && { error }),
    ...(limit !== undefined && { limit }),
    ...(dryRun && { dryRun }),
  };
  using interrupts = catchInterrupts();
  const asked = (await bulkClientOf(options)).replayMany(queue, { ...order, signal: interrupts.stop });
  const answer = await asked.catch((error: unknown) => {
    throw dryRun ? error : withAdvice(failureOf(error));
  });
  if (options.json) return printJson(answer);
  const done = dryRun ? `would replay ${formatCount(answer.matched)}` : `replayed ${formatCount(answer.replayed)}`;
  const which = `dead requests${error === undefined ? "" : ` with the error ${error}`} in ${queue}`;
  printLine(`${done} of ${formatCount(answer.total)} ${which} (limit ${formatCount(answer.limit)})`);
}

/** The gateway does not stop when nobody waits for its answer. */
function withAdvice(failure: CommandError): CommandError {
  const { message, code, exitCode, fields, cause } = failure;
  if (code !== "interrupted" && code !== "unreachable") return failure;
  const advice = "The gateway may go on replaying: --dry-run tells how many are still dead.";
  return new CommandError(`${message}\n${advice}`, { code, exitCode, fields, cause });
}

async function replayOne(id: string, options: ServerOptions): Promise<void> {
  const request = await clientOf(options).replay(id);
  if (options.json) printJson(request);
  else printLine(`replayed ${id}`);
}
