import type { WireQueueAudit } from "@sluice/client";
import type { Command } from "commander";
import { exitCodes } from "./failure.ts";
import { formatCount, printJson, printLine, printTable, type Column } from "./print.ts";
import { addServerOptions, clientOf, type ServerOptions } from "./server-options.ts";

const afterHelp = `
The law, for each queue: accepted = waiting + scheduled + running + done + dead + cancelled.
Every stored request is counted, so it may take a while: up to ten minutes are allowed.
The exit code is 1 when the law does not hold.

Examples:
  sluice audit
  sluice audit --json | jq .holds
`;

export function registerAudit(program: Command): void {
  const command = program
    .command("audit")
    .summary("prove that nothing is lost")
    .description("Counts what is stored and holds it against what was accepted, queue by queue.")
    .addHelpText("after", afterHelp)
    .action(audit);
  addServerOptions(command);
}

async function audit(options: ServerOptions): Promise<void> {
  const report = await clientOf(options, { retryForMs: 2_000, answerWithinMs: 600_000 }).audit();
  if (!report.holds) process.exitCode = exitCodes.failed;
  if (options.json) return printJson(report);
  printTable(report.queues, columns);
  const missing = report.queues.reduce((sum, queue) => sum + Math.abs(queue.missing), 0);
  printLine(
    report.holds ? "\nThe law holds: nothing is missing." : `\nThe law does not hold: ${formatCount(missing)} missing.`,
  );
}

const columns: readonly Column<WireQueueAudit>[] = [
  { title: "QUEUE", of: ({ queue }) => queue },
  count("ACCEPTED", ({ accepted }) => accepted),
  count("WAITING", ({ waiting }) => waiting),
  count("SCHEDULED", ({ scheduled }) => scheduled),
  count("RUNNING", ({ running }) => running),
  count("DONE", ({ done }) => done),
  count("DEAD", ({ dead }) => dead),
  count("CANCELLED", ({ cancelled }) => cancelled),
  count("MISSING", ({ missing }) => missing),
];

function count(title: string, of: (queue: WireQueueAudit) => number): Column<WireQueueAudit> {
  return { title, align: "right", of: (queue) => formatCount(of(queue)) };
}
