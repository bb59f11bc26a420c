// `sluice migrate`: makes a cluster's servers ready for its gateways and workers.
import type { Command } from "commander";
import { readCluster } from "../config/read-settings.ts";
import { SluiceError } from "../core/errors.ts";
import { printJson, printLine } from "./print.ts";
import { whenReachable } from "./reach.ts";
import {
  addConfigFlag,
  addLogFlags,
  addServersFlags,
  addWaitForServersFlag,
  openRoleLog,
  serversHelp,
  sourcesOf,
  type MemberOptions,
} from "./role-flags.ts";

interface MigrateOptions extends Omit<MemberOptions, "replicas"> {
  readonly json?: true;
}

const afterHelp = `${serversHelp}
Run it before the first start and before each newer Sluice; gateways and workers only check. What is there already
stays as it is, so that it may run again at any time.

Examples:
  sluice migrate --config sluice.config.ts
  sluice migrate --queue orders
`;

export function registerMigrate(program: Command): void {
  const command = program
    .command("migrate")
    .summary("make a cluster's servers ready: schema and queues")
    .description("Creates or upgrades the schema in PostgreSQL and, with AMQP_URL, declares the queues on RabbitMQ.");
  addConfigFlag(command);
  command.option("--queue <name>", "a queue to declare, without a file or beside those of the file");
  addServersFlags(command);
  addWaitForServersFlag(command);
  addLogFlags(command).option("--json", "print JSON; errors too").addHelpText("after", afterHelp).action(migrate);
}

async function migrate(options: MigrateOptions): Promise<void> {
  const { servers, queues } = readCluster(await sourcesOf(options));
  if (queues.length === 0)
    throw new SluiceError("bad-config", "no queue: give --queue NAME, or a sluice.config.ts with queues");
  const [log, { migrateCluster }] = await Promise.all([
    openRoleLog(options),
    import("../engines/cluster/ledger/schema/migrate.ts"),
  ]);
  const { from, to, queuesDeclared } = await whenReachable(() => migrateCluster({ servers, queues, log }), {
    waitMs: options.waitForServers,
    log,
  });
  if (options.json) return printJson({ from, to, queuesDeclared });
  printLine(schemaText(from, to));
  printLine(queuesDeclared.length === 0 ? "The queues are there." : `Declared ${queuesDeclared.join(", ")}.`);
}

function schemaText(from: number, to: number): string {
  if (from === to) return `The schema is at version ${to}.`;
  return from === 0 ? `Created the schema, version ${to}.` : `Upgraded the schema from version ${from} to ${to}.`;
}
