// `sluice doctor`: looks at a cluster's servers and says what is unsafe.
import type { Command } from "commander";
import { readCluster } from "../config/read-settings.ts";
import { addressOf } from "../core/server-url.ts";
import type { Finding } from "../engines/cluster/doctor.ts";
import { carriersOf } from "../engines/cluster/options.ts";
import { exitCodes } from "./failure.ts";
import { printJson, printLine, printTable, type Column } from "./print.ts";
import { addConfigFlag, addServersFlags, serversHelp, sourcesOf, type RoleOptions } from "./role-flags.ts";

interface DoctorOptions extends Omit<RoleOptions, "logLevel" | "logFormat"> {
  readonly json?: true;
}

const afterHelp = `${serversHelp}
It changes nothing that stays: it tries what Sluice does on a queue and a key that are gone afterwards. With several nodes it
reports each. A server that is not configured is not examined: PostgreSQL does its work. It also reports what a failover of PostgreSQL would lose. The exit code is 1 when something is unsafe, 69 when a server is unreachable.

Examples:
  sluice doctor --config sluice.config.ts
  sluice doctor --queue orders --json | jq '.findings[] | select(.verdict != "ok")'
`;

export function registerDoctor(program: Command): void {
  const command = program
    .command("doctor")
    .summary("examine a cluster's servers")
    .description(
      "Says what carries hints, notices and rates; connects to each server and reports version, settings, permissions and latency.",
    );
  addConfigFlag(command);
  command.option("--queue <name>", "a queue to look at, without a file or beside those of the file");
  addServersFlags(command);
  command.option("--json", "print JSON; errors too").addHelpText("after", afterHelp).action(doctor);
}

async function doctor(options: DoctorOptions): Promise<void> {
  const settings = readCluster(await sourcesOf(options));
  const { servers } = settings;
  const { examine } = await import("../engines/cluster/doctor.ts");
  const findings = await examine(settings);
  const unsafe = findings.filter(({ verdict }) => verdict === "unsafe");
  const isSafe = unsafe.length === 0;
  if (!isSafe) process.exitCode = unsafe.some(isUnreachable) ? exitCodes.unreachable : exitCodes.failed;
  if (options.json) return printJson({ safe: isSafe, carriers: carriersOf(servers), findings });
  const nameOf = (server: string, url: string | undefined): string =>
    url === undefined ? "PostgreSQL" : `${server} at ${addressOf(url)}`;
  printLine(`hints: ${nameOf("RabbitMQ", servers.amqpUrl)}`);
  printLine(`notices and rates: ${nameOf("Redis", servers.redisUrl)}\n`);
  printTable(findings, columns);
  for (const { server, what, advice } of findings)
    if (advice !== undefined) printLine(`\n${server}, ${what}: ${advice}`);
  printLine(
    isSafe ? "\nNothing is unsafe." : "\nSomething is unsafe: Sluice refuses to start on it, or does not work.",
  );
}

function isUnreachable({ what }: Finding): boolean {
  return what === "reachable";
}

const columns: readonly Column<Finding>[] = [
  { title: "SERVER", of: ({ server }) => server },
  { title: "WHAT", of: ({ what }) => what },
  { title: "FOUND", of: ({ found }) => found },
  { title: "VERDICT", of: ({ verdict }) => verdict },
];
