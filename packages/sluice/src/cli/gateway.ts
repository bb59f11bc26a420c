// `sluice gateway`: takes requests into a cluster, and answers for them.
import type { Command } from "commander";
import { queueSettings } from "../config/declared-settings.ts";
import { readGateway } from "../config/read-settings.ts";
import { overrideOption } from "./flag-settings.ts";
import { runMember } from "./member.ts";
import {
  addConfigFlag,
  addFrontFlags,
  addTargetFlags,
  addIntakeFlags,
  addLogFlags,
  addReplicasFlag,
  addRetentionFlag,
  addServersFlags,
  addSpoolFlags,
  addWaitForServersFlag,
  callbacksHelp,
  serversHelp,
  type MemberOptions,
} from "./role-flags.ts";

const afterHelp = `${serversHelp}
Examples:
  sluice gateway --port 8080 --queue orders
  sluice gateway --config sluice.config.ts --replicas 2

A request is committed by PostgreSQL before it is answered with 202. RabbitMQ and Redis may be out: intake goes on.
With --spool it also goes on while PostgreSQL is out: requests are kept on this disk and forwarded when it is back.
Handlers and targets in the file are for the workers: a gateway runs none. Copies share the port.
SIGTERM and SIGINT stop gracefully; a second signal stops at once, and loses nothing either.
On SIGTERM it first serves on for the linger, while /readyz says that it stops; SIGINT skips that, and a second signal ends it.
`;

export function registerGateway(program: Command): void {
  const command = program.command("gateway").description("take requests into a cluster: one process of many");
  addConfigFlag(command);
  addIntakeFlags(command);
  addFrontFlags(command);
  command
    .option("--queue <name>", "a queue to take requests for, without a file or beside those of the file")
    .addOption(
      overrideOption("--rate <rate>", "with --queue: the rate of its workers, for the forecast", queueSettings.rate),
    );
  addTargetFlags(command, "with --front: the target of its queue, which GET, HEAD and OPTIONS go to");
  addServersFlags(command);
  addSpoolFlags(command);
  addReplicasFlag(command);
  addWaitForServersFlag(command);
  addRetentionFlag(command);
  addLogFlags(command).addHelpText("after", afterHelp).addHelpText("after", callbacksHelp).action(gateway);
}

function gateway(options: MemberOptions): Promise<void> {
  return runMember(options, (sources) => {
    const settings = readGateway(sources);
    return { role: "gateway", settings, intake: settings, spool: settings.spool };
  });
}
