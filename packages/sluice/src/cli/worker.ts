// `sluice worker`: runs the requests of a cluster.
import type { Command } from "commander";
import { readWorker } from "../config/read-settings.ts";
import { usageError } from "./failure.ts";
import { runMember } from "./member.ts";
import {
  addConfigFlag,
  addLogFlags,
  addMetricsFlag,
  addReplicasFlag,
  addRetentionFlag,
  addServersFlags,
  addWaitForServersFlag,
  addWorkFlags,
  callbacksHelp,
  serversHelp,
  type MemberOptions,
  type MetricsOptions,
} from "./role-flags.ts";

const afterHelp = `${serversHelp}
Examples:
  sluice worker --queue orders --target http://127.0.0.1:9000/process --rate 100000/h
  sluice worker --config sluice.config.ts --replicas 4

With --metrics what this worker does can be scraped: how many attempts, how long, how they failed. The queues are on the
page of every gateway. Where there are API keys (--keys), the page needs one of the scope read; without any it is on a loopback
address only.

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
  addMetricsFlag(command);
  addLogFlags(command).addHelpText("after", afterHelp).addHelpText("after", callbacksHelp).action(worker);
}

async function worker({ metrics, ...options }: MemberOptions & MetricsOptions): Promise<void> {
  if (metrics !== undefined && options.replicas > 1)
    throw usageError(
      "--metrics is the page of one process: start the copies one by one, or send their metrics by OTLP",
    );
  await runMember(options, (sources) => {
    const settings = readWorker(sources);
    const { keys } = settings;
    return { role: "worker", settings, work: settings, metrics: metrics && { address: metrics, keys } };
  });
}
