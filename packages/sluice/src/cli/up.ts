// `sluice up`: gateway, worker and the embedded store in one process.
import { Option, type Command } from "commander";
import { readUp } from "../config/read-settings.ts";
import {
  addConfigFlag,
  addIntakeFlags,
  addLogFlags,
  addRetentionFlag,
  addWorkFlags,
  openRoleLog,
  sourcesOf,
  type RoleOptions,
} from "./role-flags.ts";
import { runRole } from "./run-role.ts";

const afterHelp = `
Without a file, one queue and the URL it posts to:
  sluice up --port 8080 --data ./data --queue orders --target http://127.0.0.1:9000/process --rate 100000/h

With a file, queues and handlers in TypeScript (sluice init writes one):
  sluice up --config sluice.config.ts

Flags go before the environment, the environment before the file, the file before the defaults.
A request is on disk before it is answered with 202. SIGTERM and SIGINT stop gracefully: intake ends, what runs
may finish within the grace, the rest is handed back; a second signal stops at once, and loses nothing either.
`;

export function registerUp(program: Command): void {
  const command = program
    .command("up")
    .description("start gateway and worker in one process, with the store in a folder");
  addConfigFlag(command);
  addIntakeFlags(command);
  command.addOption(new Option("--data <folder>", "the data folder (default ./data)").env("SLUICE_DATA"));
  addWorkFlags(command);
  addRetentionFlag(command);
  command.addOption(
    new Option("--disk-free-min <size>", "refuse intake below this free space (default 256MiB)").env(
      "SLUICE_DISK_FREE_MIN",
    ),
  );
  addLogFlags(command).addHelpText("after", afterHelp).action(up);
}

async function up(options: RoleOptions): Promise<void> {
  const log = await openRoleLog(options);
  const settings = readUp(await sourcesOf(options));
  await runRole(async () => {
    // The server's parts are loaded here, so that the other commands start without them.
    const [{ serve }, { openEmbedded }] = await Promise.all([
      import("./serve.ts"),
      import("../engines/embedded/open.ts"),
    ]);
    const { data, queues, retentionMs, diskFreeMin } = settings;
    const owner = `process ${process.pid}`;
    const engine = await openEmbedded({ folder: data, owner, queues, retentionMs, diskFreeMin });
    return serve({ role: "up", engine, queues, intake: settings, work: settings, data, log });
  }, log);
}
