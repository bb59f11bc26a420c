// `sluice worker`: runs the requests of a cluster.
import type { Command } from "commander";
import { readWorker } from "../config/read-settings.ts";
import { runMember } from "./member.ts";
import {
  addConfigFlag,
  addLogFlags,
  addReplicasFlag,
  addRetentionFlag,
  addServersFlags,
  addWaitForServersFlag,
  addWorkFlags,
  callbacksHelp,
  serversHelp,
  type MemberOptions,
} from "./role-flags.ts";

const afterHelp = `${serversHelp}
Examples:
  sluice worker --queue orders --target http://127.0.0.1:9000/process --rate 100000/h
  sluice worker --config sluice.config.ts --replicas 4

A queue's rate is shared by all of its workers; its concurrency is each copy's own.
SIGTERM and SIGINT stop gracefully: what runs may finish within the grace, the rest is handed back; a second signal
stops at once, and loses nothing either.
`;

export function registerWorker(program: Command): void {
  const command = program.command("worker").description("run the requests of a cluster: one process of many");
  addConfigFlag(command);
  addWorkFlags(command);
  addServersFlags(command);
  addReplicasFlag(command);
  addWaitForServersFlag(command);
  addRetentionFlag(command);
  addLogFlags(command).addHelpText("after", afterHelp).addHelpText("after", callbacksHelp).action(worker);
}

function worker(options: MemberOptions): Promise<void> {
  return runMember(options, (sources) => {
    const settings = readWorker(sources);
    return { role: "worker", settings, work: settings };
  });
}
