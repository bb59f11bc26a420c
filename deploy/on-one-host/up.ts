// npm run up:cluster -- [flags]: a whole cluster on one host, without containers. This process is only the handle that a
// terminal holds: what it started lives in a process group of its own, where a Ctrl-C cannot reach the servers before the
// roles have drained, and stops by itself when the handle is gone, however it went.
import { fork } from "node:child_process";
import { once } from "node:events";
import { parseArgs } from "node:util";
import { catchErrors, flags, type ClusterFlags } from "./flags.ts";

const help = `Starts PostgreSQL, RabbitMQ and Redis as processes of this host, makes them ready, and runs Sluice's gateways and
workers on them. On Debian, as root, missing servers are installed. With --only-postgres it starts PostgreSQL alone.

  npm run up:cluster -- [flags]

  --data DIR       where the servers keep their data (default ./cluster-data)
  --config FILE    the queues and their handlers (default examples/webhooks/sluice.config.ts)
  --port N         where the gateways listen (default 8080)
  --gateways N     copies of the gateway (default 2)
  --workers N      copies of the worker (default 2)
  --only-postgres  without RabbitMQ and Redis: PostgreSQL does their work. The same folder can be started with and without

A server that is killed is started again on its data; one that does not stay up ends all, with the reason.
Ctrl-C or SIGTERM stops everything gracefully; a second one at once. Started again on the same folder it goes on.
`;

process.exitCode = await catchErrors(main);

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { ...flags, help: { type: "boolean", default: false } } });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const { help: _help, ...given } = values;
  return await hold(given);
}

async function hold(given: ClusterFlags): Promise<number> {
  const supervisor = fork(new URL("./supervise.ts", import.meta.url), [JSON.stringify(given)], { detached: true });
  let isAsked = false;
  const ask = (): void => {
    if (isAsked) process.kill(-(supervisor.pid as number), "SIGKILL"); // of the whole group
    else supervisor.disconnect();
    isAsked = true;
  };
  process.on("SIGINT", ask);
  process.on("SIGTERM", ask);
  const [code] = (await once(supervisor, "exit")) as [number | null];
  return code ?? 1;
}
