// A dump is restored under living processes, which are younger than it and join again. No two may share an identity: one
// that stops would give back what the other is running.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { postgresProgram } from "@sluice/testing";
import { whenTrue } from "../../cluster/observe.ts";
import { recover, underFailover, type FailoverScenario, type Field } from "../failover.ts";

const execute = promisify(execFile);
const burst = 50;
/** Long enough that the workers are in the middle of something whenever a process stops. */
const effectMs = 1_000;
const restMs = 250;
const drainMsMax = 60_000;

export const restore: FailoverScenario = {
  name: "dump-restored",
  fault: "a dump restored under living processes, which are younger than it and stop one after the other later",
  play: (options) =>
    underFailover(options, { name: "dump-restored", workers: 2, isRerunMeant: false }, restoreAgainAndAgain),
};

async function restoreAgainAndAgain(field: Field): Promise<void> {
  const { stage, sender, rounds } = field;
  const { signal } = new AbortController();
  const sendSome = (): Promise<void> => sender.send({ url: stage.urls, concurrency: 8, signal, newMax: burst });
  await stage.behave(`wait:${effectMs}`);
  await field.load.stop(); // what is accepted between the dump and its restoration is not in it
  for (let round = 0; round < rounds; round += 1) {
    await sendSome();
    await drained(field);
    const dump = join(stage.folder, `${round}.dump`);
    await run(field, "pg_dump", [`--dbname=${stage.name}`, "--format=custom", `--file=${dump}`]);
    await Promise.all(stage.members.map((member) => member.restart())); // all are younger than the dump then
    await restoreFrom(dump, field);
    await recover(field, () => Promise.resolve());
    await using load = stage.load(sender, { restMs });
    for (const member of stage.members) await member.restart(); // gives back its own claims alone
    await load.stop();
    await drained(field);
  }
}

/** Beside the database that is in use, which it then replaces. */
async function restoreFrom(dump: string, field: Field): Promise<void> {
  const { pair, stage } = field;
  await pair.primary.createDatabase("restored");
  await run(field, "pg_restore", ["--dbname=restored", "--single-transaction", dump]);
  await pair.primary.dropDatabase(stage.name); // ends the connections to it
  await run(field, "psql", ["--dbname=postgres", `--command=ALTER DATABASE restored RENAME TO "${stage.name}"`]);
}

async function run({ pair }: Field, program: string, args: readonly string[]): Promise<void> {
  const server = ["--host=127.0.0.1", `--port=${pair.primaryPort}`, "--username=sluice"];
  await execute(postgresProgram(program), [...server, ...args]);
}

async function drained({ stage, wrong }: Field): Promise<void> {
  const ms = await whenTrue(async () => (await backlogAt(stage.urls[0])) === 0, drainMsMax);
  if (ms === undefined) wrong.push(`a backlog of ${await backlogAt(stage.urls[0])} is left after ${drainMsMax} ms`);
}

async function backlogAt(url: string): Promise<number> {
  const response = await fetch(`${url}/v1/queues/orders`);
  return ((await response.json()) as { readonly backlog: number }).backlog;
}
