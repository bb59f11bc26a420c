import type {
  WireAudit,
  WireFinding,
  WireHourAudit,
  WireInversion,
  WireOrderAudit,
  WireQueueAudit,
  WireQueueOrder,
  WireRunSpan,
} from "@sluice/client";
import { Option, type Command } from "commander";
import { exitCodes } from "./failure.ts";
import { formatCount, printJson, printLine, printTable, type Column } from "./print.ts";
import { addServerOptions, bulkClientOf, clientOf, type ServerOptions } from "./server-options.ts";

interface AuditOptions extends ServerOptions {
  readonly hours?: true;
  readonly heal?: true;
  readonly receipt?: string;
  readonly order?: true;
}

const afterHelp = `
The law, for each queue: accepted = waiting + scheduled + running + done + dead + cancelled.
The audit counts every stored request and checks it against the hash chain of what was accepted. A link of the chain has the
ids of one commit, a digest of each body, and a hash over these and the link before. The audit reads every body, so it may take
a while: up to ten minutes are allowed. What it can find:

  missing    accepted, and not in the store
  gap        requests before this one were accepted, and are gone with their links: how many, and from when to when
  changed    its body is not what was accepted
  unchained  in the store, and in no link of the chain
  broken     a link of the chain that is not what was written
  orphaned   rows that belong to no request
  stuck      it waits though others that came a minute later have begun, or runs for longer than its queue allows

The exit code is 1 when the law does not hold; what is only stuck does not break it.

--order audits order keys instead. It reads the stored requests of each key in the order of acceptance; a replayed request counts from
its last replay. It reports a request that began before an earlier one with its key had its outcome. Cancelled and expired requests
that never began take no part. In a cluster, two requests that different gateways accepted within a second may run in either order but
not at once, and an overlap counts from 100 ms on. The exit code is 1 when it reports any.

Examples:
  sluice audit
  sluice audit --hours                # by hour of acceptance
  sluice audit --heal                 # tells the broker again of what is stuck
  sluice audit --order                # did order keys keep their order?
  sluice audit --receipt 01a20504-c7f2-7000-8bc9-cc6e3b3fe42b
  sluice audit --json | jq .holds
`;

export function registerAudit(program: Command): void {
  const command = program
    .command("audit")
    .summary("prove that nothing is lost")
    .description("Counts what is stored and holds it against what was accepted, queue by queue.")
    .option("--hours", "count by hour of acceptance as well")
    .option("--heal", "in a cluster: first tell the broker again of what is stuck")
    .addOption(
      new Option("--order", "check that the requests of each order key ran one after another, instead").conflicts([
        "hours",
        "heal",
        "receipt",
      ]),
    )
    .option("--receipt <id>", "look one receipt up in the chain instead")
    .addHelpText("after", afterHelp)
    .action(audit);
  addServerOptions(command);
}

async function audit(options: AuditOptions): Promise<void> {
  const client = await bulkClientOf(options);
  if (options.receipt !== undefined) return prove(options.receipt, options);
  if (options.order) return proveOrder(await client.auditOrder(), options);
  const healed = options.heal ? await client.heal() : undefined;
  const report = await client.audit();
  if (!report.holds) process.exitCode = exitCodes.failed;
  if (options.json) return printJson(healed === undefined ? report : { ...report, healed });
  if (healed !== undefined) printLine(`Told the broker again of ${formatCount(healed)}.\n`);
  print(report, options);
}

function print({ holds, queues, hours, findings }: WireAudit, options: AuditOptions): void {
  const hasSpool = queues.some(({ spooled }) => spooled !== undefined);
  printTable(queues, hasSpool ? queueColumns.toSpliced(2, 0, spooledColumn) : queueColumns);
  if (options.hours) {
    printLine("");
    printTable(hours, hourColumns);
  }
  if (findings.length > 0) {
    printLine("");
    printTable(findings, findingColumns);
  }
  const missing = queues.reduce((sum, queue) => sum + Math.abs(queue.missing), 0);
  const found = findings.filter(({ kind }) => kind !== "stuck").length;
  if (holds) printLine("\nThe law holds: nothing is missing.");
  else {
    const lost = findings.reduce((sum, { gap }) => sum + (gap?.requests ?? 0), 0);
    const inGaps = lost === 0 ? "" : `, ${formatCount(lost)} in gaps of the chain`;
    printLine(`\nThe law does not hold: ${formatCount(missing)} missing${inGaps}, ${formatCount(found)} found.`);
  }
}

const proofTexts = {
  stored: "It was accepted, and is stored.",
  missing: "It was accepted, and is not stored: it is lost.",
  gap: "It is not in the chain, and a request of this time is missing: it may be that one. sluice audit shows the gap.",
  changed: "It was accepted, and is stored with another body.",
  unchained: "It is stored, and in no link of the chain.",
  broken: "Its link of the chain is not what was written.",
  unknown: "It is not in the chain: it was never accepted here, or has expired since.",
} as const;

async function prove(id: string, options: AuditOptions): Promise<void> {
  const proof = await clientOf(options).prove(id);
  if (proof.verdict !== "stored") process.exitCode = exitCodes.failed;
  if (options.json) return printJson(proof);
  printLine(proofTexts[proof.verdict]);
  if (proof.link !== null) printLine(`Place ${proof.link.place} of the chain that begins with ${proof.link.chain}.`);
}

function proveOrder(report: WireOrderAudit, options: AuditOptions): void {
  const { holds, queues, inversions } = report;
  if (!holds) process.exitCode = exitCodes.failed;
  if (options.json) return printJson(report);
  printTable(queues, orderColumns);
  if (inversions.length > 0) {
    printLine("");
    printTable(inversions, inversionColumns);
  }
  const total = queues.reduce((sum, line) => sum + line.inversions, 0);
  printLine(holds ? "\nNo order key was inverted." : `\nOrder keys were inverted: ${formatCount(total)} inversions.`);
}

const orderColumns: readonly Column<WireQueueOrder>[] = [
  { title: "QUEUE", of: ({ queue }) => queue },
  count("KEYS", ({ keys }) => keys),
  count("REQUESTS", ({ requests }) => requests),
  count("INVERSIONS", ({ inversions }) => inversions),
];

const inversionColumns: readonly Column<WireInversion>[] = [
  { title: "QUEUE", of: ({ queue }) => queue },
  { title: "ORDER KEY", of: ({ order }) => order },
  { title: "FIRST", of: ({ first }) => first.id },
  { title: "RAN", of: ({ first }) => spanText(first) },
  { title: "BEGAN TOO EARLY", of: ({ second }) => second.id },
  { title: "RAN", of: ({ second }) => spanText(second) },
];

function spanText({ startedAt, finishedAt }: WireRunSpan): string {
  return `${startedAt ?? "?"} to ${finishedAt ?? "no outcome"}`;
}

const queueColumns: readonly Column<WireQueueAudit>[] = [
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

const spooledColumn = count<WireQueueAudit>("SPOOLED", ({ spooled = 0 }) => spooled);

const hourColumns: readonly Column<WireHourAudit>[] = [
  { title: "HOUR", of: ({ hour }) => hour },
  { title: "QUEUE", of: ({ queue }) => queue },
  count("ACCEPTED", ({ accepted }) => accepted),
  count("MISSING", ({ missing }) => missing),
];

const findingColumns: readonly Column<WireFinding>[] = [
  { title: "FOUND", of: ({ kind }) => kind },
  { title: "QUEUE", of: ({ queue }) => queue },
  { title: "ID", of: ({ id }) => id },
  { title: "WHAT", of: ({ what }) => what },
];

function count<Row>(title: string, of: (row: Row) => number): Column<Row> {
  return { title, align: "right", of: (row) => formatCount(of(row)) };
}
