// What cannot be promised is refused at the start, with the reason; who runs already goes on.
import { connect, type Options } from "amqplib";
import { Client } from "pg";
import { underLoad, type ClusterScenario, type Fault, type Field } from "../cluster-scenario.ts";
import { whenTrue } from "../observe.ts";
import type { ClusterStage } from "../cluster-stage.ts";

export const refusals: ClusterScenario = {
  name: "start-refusals",
  numbers: "23",
  fault:
    "started on a queue of another kind, with another prefix, on unsafe settings, on an older, a missing and a newer schema",
  play: (options) => underLoad(options, { name: "refusals", mode: "plain", restMs: 200 }, refuseAll),
};

type Command = "gateway" | "worker" | "migrate";

interface Expected {
  readonly commands: readonly Command[];
  readonly env?: Readonly<Record<string, string>>;
  /** What it says. */
  readonly reason: RegExp;
}

const badConfig = 78;
const roles = ["gateway", "worker"] as const;
const all = [...roles, "migrate"] as const;
const settledMsMax = 10_000;

async function refuseAll(field: Field): Promise<Fault> {
  const told = [
    ...(field.servers.has.rabbitmq ? await withQueues(field) : []),
    await whyRefused(field.stage, {
      commands: all,
      env: { SLUICE_PREFIX: "another" },
      reason: /the ledger of the cluster with the prefix/,
    }),
    await withServerSetting(field, "fsync"),
    await withServerSetting(field, "full_page_writes"),
    await withSessionSetting(field),
    await withoutSchema(field),
    await withVersion(field, 0, /run sluice migrate/, roles),
    await withVersion(field, 999, /schema 999/, all),
  ].flat();
  const wrong = told.filter((complaint) => complaint !== undefined);
  field.wrong.push(...wrong);
  return { trials: told.length, hits: told.length - wrong.length };
}

/** For each command, undefined when it refused and said the reason, else what it did instead. */
function whyRefused(stage: ClusterStage, { commands, env = {}, reason }: Expected): Promise<(string | undefined)[]> {
  return Promise.all(
    commands.map(async (command) => {
      const { code, said } = await stage.attempt(command, env);
      if (code === badConfig && reason.test(said)) return undefined;
      const how = code === undefined ? "started" : `ended with ${code}`;
      return `${command} ${how}, where ${badConfig} and ${reason} were expected: ${said.slice(-300)}`;
    }),
  );
}

/** Where there is a RabbitMQ. */
async function withQueues(field: Field): Promise<(string | undefined)[][]> {
  const limited = { "x-queue-type": "quorum", "x-delivery-limit": 20 };
  return [
    await withQueue(field, "classic", { durable: true, arguments: { "x-queue-type": "classic" } }),
    await withQueue(field, "limited", { durable: true, arguments: limited }),
  ];
}

/** RabbitMQ has the queue already, of another kind. */
async function withQueue(
  { stage, servers }: Field,
  prefix: string,
  queue: Options.AssertQueue,
): Promise<(string | undefined)[]> {
  const line = `${prefix}.orders.v1`;
  const connection = await connect(servers.rabbitmq.now.url);
  const channel = await connection.createChannel();
  await channel.assertQueue(line, queue);
  const databaseUrl = await servers.postgres.now.createDatabase(servers.newName());
  const expected = { env: { DATABASE_URL: databaseUrl, SLUICE_PREFIX: prefix }, reason: new RegExp(line) };
  try {
    // It makes the schema before it comes to the queues.
    const told = await whyRefused(stage, { ...expected, commands: ["migrate"] });
    return [...told, ...(await whyRefused(stage, { ...expected, commands: roles }))];
  } finally {
    await channel.deleteQueue(line);
    await connection.close();
  }
}

async function withServerSetting({ stage }: Field, setting: string): Promise<(string | undefined)[]> {
  await sql(stage.databaseUrl, `ALTER SYSTEM SET ${setting} = off`);
  try {
    await reload(stage.databaseUrl, setting, "off");
    return await whyRefused(stage, { commands: roles, reason: new RegExp(`${setting} is off, must be on`) });
  } finally {
    await sql(stage.databaseUrl, `ALTER SYSTEM RESET ${setting}`);
    await reload(stage.databaseUrl, setting, "on");
  }
}

async function reload(databaseUrl: string, setting: string, value: string): Promise<void> {
  await sql(databaseUrl, "SELECT pg_reload_conf()");
  const isSet = async (): Promise<boolean> => (await sql(databaseUrl, `SHOW ${setting}`))[0]?.[setting] === value;
  if ((await whenTrue(isSet, settledMsMax)) === undefined)
    throw new Error(`PostgreSQL did not set ${setting} = ${value}`);
}

/** Only for this database: the server itself is safe. */
async function withSessionSetting({ stage }: Field): Promise<(string | undefined)[]> {
  const database = new URL(stage.databaseUrl).pathname.slice(1);
  await sql(stage.databaseUrl, `ALTER DATABASE "${database}" SET synchronous_commit = off`);
  try {
    return await whyRefused(stage, { commands: roles, reason: /synchronous_commit is off, must be on/ });
  } finally {
    await sql(stage.databaseUrl, `ALTER DATABASE "${database}" RESET synchronous_commit`);
  }
}

async function withoutSchema({ stage, servers }: Field): Promise<(string | undefined)[]> {
  const databaseUrl = await servers.postgres.now.createDatabase(servers.newName());
  return whyRefused(stage, {
    commands: roles,
    env: { DATABASE_URL: databaseUrl },
    reason: /no schema of Sluice yet: run sluice migrate/,
  });
}

async function withVersion(
  { stage }: Field,
  version: number,
  reason: RegExp,
  commands: readonly Command[],
): Promise<(string | undefined)[]> {
  const set = "UPDATE sluice.meta SET value = $1 WHERE name = 'schema_version'";
  const [row] = await sql(stage.databaseUrl, "SELECT value FROM sluice.meta WHERE name = 'schema_version'");
  await sql(stage.databaseUrl, set, [String(version)]);
  try {
    return await whyRefused(stage, { commands, reason });
  } finally {
    await sql(stage.databaseUrl, set, [row?.["value"]]);
  }
}

async function sql(
  databaseUrl: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(text, [...values]);
    return rows;
  } finally {
    await client.end();
  }
}
