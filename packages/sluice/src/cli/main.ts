// The `sluice` command: which commands there are. What happens when one fails stands in run.ts.
import { Command } from "commander";
import manifest from "../../package.json" with { type: "json" };
import { registerAudit } from "./audit.ts";
import { registerAutoscale } from "./autoscale.ts";
import { registerDead } from "./dead.ts";
import { registerDoctor } from "./doctor.ts";
import { registerGateway } from "./gateway.ts";
import { registerGet } from "./get.ts";
import { registerInit } from "./init.ts";
import { registerKeys } from "./keys.ts";
import { registerMigrate } from "./migrate.ts";
import { registerMove } from "./move.ts";
import { registerPlan } from "./plan.ts";
import { registerQueues } from "./queues.ts";
import { registerRehearse } from "./rehearse.ts";
import { run } from "./run.ts";
import { registerSend } from "./send.ts";
import { registerUp } from "./up.ts";
import { registerWorker } from "./worker.ts";

const afterHelp = `
A first run:
  sluice init                                     write a configuration and a handler
  sluice up                                       start gateway and worker on port 8080
  echo '{"sku":7}' | sluice send --queue orders --wait

A cluster, on PostgreSQL alone or with RabbitMQ and Redis, with as many gateways and workers as are needed:
  sluice migrate --queue orders                   make the servers ready
  sluice doctor --queue orders                    examine them
  sluice gateway --port 8080 --queue orders --replicas 2
  sluice worker --queue orders --target http://127.0.0.1:9000/process --replicas 4

Environment:
  SLUICE_URL             where the gateway listens (default http://127.0.0.1:8080); --url wins
  SLUICE_API_KEY[_FILE]  the API key, or the file that holds it
  DATABASE_URL[_FILE]    a cluster's PostgreSQL, as postgres://user:password@host:5432/database
  AMQP_URL[_FILE]        its RabbitMQ, as amqp://user:password@host:5672; optional
  REDIS_URL[_FILE]       its Redis, as redis://host:6379; optional
  SLUICE_PREFIX          begins every name on RabbitMQ and Redis, so that clusters can share them (default sluice)
  PORT, HOST, SLUICE_…   more for the servers: see sluice up --help, sluice gateway --help, sluice worker --help

Exit codes:
  0   done
  1   failed: refused by the server, the request is dead, the law does not hold
  64  usage: a flag or argument is wrong
  69  a server is unreachable
  75  try again: the server is busy, a wait ended, the command was interrupted
  78  bad configuration, or servers that are not ready for it

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
  registerGateway,
  registerWorker,
  registerAutoscale,
  registerMigrate,
  registerMove,
  registerDoctor,
  registerSend,
  registerGet,
  registerQueues,
  registerDead,
  registerKeys,
  registerAudit,
  registerPlan,
  registerRehearse,
  registerInit,
]) {
  register(program);
}

await run(program, process.argv);
