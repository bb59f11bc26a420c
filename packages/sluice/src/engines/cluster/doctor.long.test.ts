// The doctor, against servers that can be reached and do not do what Sluice asks of them.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  freePort,
  type Postgres,
  type Rabbitmq,
  type Redis,
  startPostgres,
  startPostgresPair,
  startRabbitmq,
  startRedis,
  startRedisSentinels,
} from "@sluice/testing";
import { openLog } from "../../telemetry/log.ts";
import { Connection } from "./ledger/connection/database.ts";
import { examine, type Finding } from "./doctor.ts";
import { migrateCluster } from "./ledger/schema/migrate.ts";
import type { ClusterServers } from "./options.ts";
import { connectPrimary } from "./carriers/redis-primary.ts";

const log = openLog({ level: "silent", isPretty: false });
const queues = ["orders"];

let postgres: Postgres;
let rabbitmq: Rabbitmq;
let redis: Redis;
let servers: ClusterServers;
before(async () => {
  [postgres, rabbitmq, redis] = await Promise.all([startPostgres(), startRabbitmq(), startRedis()]);
  servers = { databaseUrl: postgres.url, amqpUrl: rabbitmq.url, redisUrl: redis.url, prefix: "test" };
  await migrateCluster({ servers, queues, log });
});
after(async () => {
  await Promise.all([postgres, rabbitmq, redis].map((server) => server[Symbol.asyncDispose]()));
});

/** What is found of it with these servers, as `verdict: found`. */
async function found(what: string, given: Partial<ClusterServers> = {}): Promise<string> {
  const finding = findingOf(await examine({ servers: { ...servers, ...given }, queues }), what);
  return `${finding.verdict}: ${finding.found}`;
}

function findingOf(findings: readonly Finding[], what: string): Finding {
  const finding = findings.find((one) => one.what === what);
  assert.ok(finding, `nothing about ${what}: ${JSON.stringify(findings)}`);
  return finding;
}

describe("the doctor", { concurrency: false }, () => {
  it("finds all in order where it is", async () => {
    const findings = await examine({ servers, queues });
    assert.deepEqual(
      findings.filter(({ verdict }) => verdict !== "ok").map(({ what }) => what),
      ["standbys"],
    );
  });

  it("examines only the servers that are given", async () => {
    const seenOf = async (given: Partial<ClusterServers>): Promise<readonly string[]> => {
      const findings = await examine({ servers: { ...servers, ...given }, queues });
      assert.deepEqual(
        findings.filter(({ verdict }) => verdict === "unsafe"),
        [],
      );
      return [...new Set(findings.map(({ server }) => server))];
    };
    assert.deepEqual(await seenOf({ amqpUrl: undefined, redisUrl: undefined }), ["postgres"]);
    assert.deepEqual(await seenOf({ amqpUrl: undefined }), ["postgres", "redis"]);
    assert.deepEqual(await seenOf({ redisUrl: undefined }), ["postgres", "rabbitmq"]);
  });

  it("finds a role that may not set the sequences, and leaves them as they are", async () => {
    await using admin = new Connection({ databaseUrl: postgres.url, name: "test" });
    await admin.script(`CREATE ROLE narrow LOGIN; GRANT USAGE ON SCHEMA sluice TO narrow;
      GRANT ALL ON ALL TABLES IN SCHEMA sluice TO narrow; GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA sluice TO narrow`);
    const databaseUrl = postgres.url.replace("//sluice@", "//narrow@");
    const read = { name: "test-tokens", text: "SELECT last_value FROM sluice.tokens" };
    const [tokens] = await admin.rows(read);
    assert.match(await found("privileges", { databaseUrl }), /^unsafe: narrow may not draw from and set .*tokens/);
    assert.deepEqual(await admin.rows(read), [tokens]);
    const finding = findingOf(await examine({ servers: { ...servers, databaseUrl }, queues }), "privileges");
    await admin.script(finding.advice ?? "");
    assert.match(await found("privileges", { databaseUrl }), /^warning: narrow does not own/);
  });

  for (const [policy, definition] of [
    ["message-ttl", { "message-ttl": 500 }],
    ["max-length", { "max-length": 500 }],
    ["max-length with refusals", { "max-length": 500, overflow: "reject-publish" }],
    ["expires", { expires: 500 }],
  ] as const)
    it(`finds a policy with ${policy} on the queues, and leaves no queue behind`, async () => {
      const pattern = "^test\\.orders\\.";
      await rabbitmq.ctl("set_policy", "cut", pattern, JSON.stringify(definition), "--apply-to", "queues");
      try {
        assert.match(await found("hints of orders"), /^unsafe: /);
      } finally {
        await rabbitmq.ctl("clear_policy", "cut");
      }
      assert.match(await found("hints of orders"), /^ok: 1000 of 1000 kept/);
      const listed = await rabbitmq.ctl("list_queues", "--silent", "name");
      assert.doesNotMatch(listed, /doctor/);
    });

  it("finds a Redis that takes no writes, and one where the rights are missing", async () => {
    await using readOnly = await startRedis({ settings: { replicaof: "127.0.0.1 1" } });
    assert.match(await found("rate and notices", { redisUrl: readOnly.url }), /^unsafe: .*READONLY/);
    await using narrow = await startRedis();
    const admin = await connectPrimary(narrow.url, () => Promise.resolve(), new AbortController().signal);
    await admin.sendCommand("ACL SETUSER narrow on >pw ~test:* &* +@all -publish".split(" "));
    admin.destroy();
    const redisUrl = narrow.url.replace("//", "//narrow:pw@");
    assert.match(await found("rate and notices", { redisUrl }), /^unsafe: .*NOPERM/);
    assert.match(await found("rate and notices"), /^ok/);
  });

  it("reports each node of a list, and is content with those that answer", async () => {
    const port = await freePort();
    const amqpUrl = `amqp://guest:guest@127.0.0.1:${port},127.0.0.1:${rabbitmq.port}`;
    await using sentinels = await startRedisSentinels();
    await sentinels.killSentinel();
    const findings = await examine({ servers: { ...servers, amqpUrl, redisUrl: sentinels.url }, queues });
    assert.deepEqual(
      findings.filter(({ verdict }) => verdict === "unsafe"),
      [],
    );
    assert.match(findingOf(findings, `node at 127.0.0.1:${port}`).found, /^no: connect ECONNREFUSED/);
    assert.equal(findingOf(findings, `version at 127.0.0.1:${rabbitmq.port}`).verdict, "ok");
    const nodes = findings.filter(({ server, what }) => server === "redis" && what.startsWith("node"));
    assert.deepEqual(
      nodes.map(({ verdict }) => verdict),
      ["warning", "ok", "ok"],
    );
    assert.equal(nodes[1]?.found, `the primary is 127.0.0.1:${sentinels.primary.port}`);
  });

  it("reports what a failover would lose", async () => {
    await using pair = await startPostgresPair({ isSynchronous: false });
    const databaseUrl = pair.primary.url;
    await migrateCluster({ servers: { ...servers, databaseUrl }, queues, log });
    assert.equal(await found("standbys"), "warning: none");
    assert.equal(await found("standbys", { databaseUrl }), "warning: 1, none is synchronous");
    await pair.setSynchronous(true);
    assert.match(await found("standbys", { databaseUrl }), /^warning: synchronous: walreceiver, by \*/);
    await pair.alter(pair.primary, "synchronous_standby_names", "walreceiver");
    while ((await found("standbys", { databaseUrl })).startsWith("unsafe"));
    assert.equal(await found("standbys", { databaseUrl }), "ok: synchronous: walreceiver");
    await using admin = new Connection({ databaseUrl, name: "test" });
    await admin.script("CREATE ROLE narrow LOGIN; GRANT USAGE ON SCHEMA sluice TO narrow");
    await admin.script("GRANT SELECT ON ALL TABLES IN SCHEMA sluice TO narrow");
    const narrow = databaseUrl.replace("//sluice@", "//narrow@");
    assert.equal(await found("standbys", { databaseUrl: narrow }), "warning: 1, not told which");
    await pair.kill(pair.other);
    const gone = await examine({ servers: { ...servers, databaseUrl }, queues });
    assert.equal(findingOf(gone, "standbys").verdict, "unsafe");
    assert.equal(findingOf(gone, "standbys").found, "0 of 1 in walreceiver connected");
    assert.match(findingOf(gone, "standbys").advice ?? "", /each commit waits/);
  });
});
