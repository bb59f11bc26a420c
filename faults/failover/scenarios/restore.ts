// An older state of the ledger is restored under living processes, which are younger than it and join again. No two may
// share an identity: one that stops would give back what the other is running.
import { execFile } from "node:child_process";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { giveToOrdinaryUser, postgresProgram, runAsOrdinaryUser, temporaryFolder } from "@sluice/testing";
import { Client } from "pg";
import { whenTrue } from "../../cluster/observe.ts";
import type { Played } from "../../scenario.ts";
import { recover, underFailover, type FailoverPlayOptions, type FailoverScenario, type Field } from "../failover.ts";

const execute = promisify(execFile);
const burst = 50;
/** Long enough that the workers are in the middle of something whenever a process stops. */
const effectMs = 1_000;
const restMs = 250;
const roundsMax = 3;
const drainMsMax = 60_000;
const archiveMsMax = 30_000;

export const restores: readonly FailoverScenario[] = [
  {
    name: "dump-restored",
    fault: "a dump restored under living processes, which are younger than it and stop one after the other later",
    roundsMax,
    play: (options) =>
      underFailover(options, { name: "dump-restored", workers: 2, isRerunMeant: false }, (field) =>
        restoreAgainAndAgain(field, dump),
      ),
  },
  {
    name: "point-in-time",
    fault:
      "a base backup and the archived log, up to a point in time, restored under living processes, which then stop",
    roundsMax,
    play: playPointInTime,
  },
];

/** Takes down the state that is there now; what it resolves to brings it back. */
type Save = (field: Field, round: number) => Promise<() => Promise<void>>;

async function restoreAgainAndAgain(field: Field, save: Save): Promise<void> {
  const { stage, sender, rounds } = field;
  const { signal } = new AbortController();
  await stage.behave(`wait:${effectMs}`);
  await field.load.stop(); // what is accepted between the two is not in what is restored
  for (let round = 0; round < rounds; round += 1) {
    await sender.send({ url: stage.urls, concurrency: 8, signal, newMax: burst });
    await drained(field);
    const restore = await save(field, round);
    await Promise.all(stage.members.map((member) => member.restart())); // all are younger than it then
    await restore();
    await recover(field, () => Promise.resolve());
    await using load = stage.load(sender, { restMs });
    for (const member of stage.members) await member.restart(); // gives back its own claims alone
    await load.stop();
    await drained(field);
  }
}

/** Restored beside the database that is in use, which it then replaces. */
async function dump(field: Field, round: number): Promise<() => Promise<void>> {
  const { pair, stage } = field;
  const file = join(stage.folder, `${round}.dump`);
  await run(field, "pg_dump", [`--dbname=${stage.name}`, "--format=custom", `--file=${file}`]);
  return async () => {
    await pair.primary.createDatabase("restored");
    await run(field, "pg_restore", ["--dbname=restored", "--single-transaction", file]);
    await pair.primary.dropDatabase(stage.name); // ends the connections to it
    await run(field, "psql", ["--dbname=postgres", `--command=ALTER DATABASE restored RENAME TO "${stage.name}"`]);
  };
}

async function playPointInTime(options: FailoverPlayOptions): Promise<Played> {
  await using folder = await temporaryFolder();
  await giveToOrdinaryUser(folder.path);
  const settings = { archive_mode: "on", archive_command: `cp %p ${folder.path}/%f` };
  const setting = { name: "point-in-time", workers: 2, isRerunMeant: false, settings };
  return await underFailover(options, setting, (field) =>
    restoreAgainAndAgain(field, (_, round) => backUp(field, folder.path, round)),
  );
}

/** A base backup, and a point in the log after it, of which all is archived. */
async function backUp({ pair }: Field, archive: string, round: number): Promise<() => Promise<void>> {
  const backup = join(archive, `base-${round}`);
  const server = ["--host=127.0.0.1", `--port=${pair.primaryPort}`, "--username=sluice"];
  const how = [`--pgdata=${backup}`, "--checkpoint=fast", "--wal-method=none", "--no-sync"];
  await runAsOrdinaryUser(postgresProgram("pg_basebackup"), [...server, ...how], archive);
  const client = new Client({ host: "127.0.0.1", port: pair.primaryPort, user: "sluice", database: "postgres" });
  await client.connect();
  const point = `round-${round}`;
  await client.query("SELECT pg_create_restore_point($1)", [point]);
  const { rows } = await client.query<{ log: string }>("SELECT pg_walfile_name(pg_switch_wal()) AS log");
  const isArchived = "SELECT FROM pg_stat_archiver WHERE last_archived_wal >= $1";
  await whenTrue(async () => (await client.query(isArchived, [rows[0]?.log])).rowCount === 1, archiveMsMax);
  await client.end();
  return () =>
    pair.restore(async (data) => {
      await rename(backup, data);
      await writeFile(join(data, "recovery.signal"), "");
      await appendFile(
        join(data, "postgresql.auto.conf"),
        `restore_command = 'cp ${archive}/%f %p'\nrecovery_target_name = '${point}'\nrecovery_target_action = 'promote'\n`,
      );
    });
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
