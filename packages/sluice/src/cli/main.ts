// The `sluice` command: which commands there are. What happens when one fails stands in run.ts.
import { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { registerAudit } from "./audit.ts";
import { registerDead } from "./dead.ts";
import { registerGet } from "./get.ts";
import { registerInit } from "./init.ts";
import { registerQueues } from "./queues.ts";
import { run } from "./run.ts";
import { registerSend } from "./send.ts";
import { registerUp } from "./up.ts";

const afterHelp = `
A first run:
  sluice init                                     write a configuration and a handler
  sluice up                                       start gateway and worker on port 8080
  echo '{"sku":7}' | sluice send --queue orders --wait

Environment:
  SLUICE_URL             where the gateway listens (default http://127.0.0.1:8080); --url wins
  SLUICE_API_KEY[_FILE]  the API key, or the file that holds it

Exit codes:
  0   done
  1   failed: refused by the server, the request is dead, the law does not hold
  64  usage: a flag or argument is wrong
  69  a server is unreachable
  75  try again: the server is busy, a wait ended, the command was interrupted
  78  bad configuration

Durations are written 250ms, 30s, 5m, 2h or 7d; rates 100000/h, 600/m or 50/s; sizes 512KiB, 1MiB or 10GiB.
`;

const program = new Command("sluice")
  .description(
    "Stores every request before it answers, hands it on at the pace of the service behind, and keeps every result.",
  )
  .version(manifest.version)
  .helpCommand(true)
  .addHelpText("after", afterHelp);

for (const register of [
  registerUp,
  registerSend,
  registerGet,
  registerQueues,
  registerDead,
  registerAudit,
  registerInit,
]) {
  register(program);
}

await run(program, process.argv);
