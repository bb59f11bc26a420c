import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { SluiceError } from "../core/errors.ts";
import { refusalOfAddress } from "../outbound/address-rule.ts";
import type { QueueConfig, RetryConfig, SluiceConfig, SpoolConfig } from "./config.ts";
import type { Overrides } from "./overrides.ts";
import { readDatabaseUrl } from "./read-servers.ts";
import {
  readAutoscaler,
  readCluster,
  readGateway,
  readKeysPlace,
  readUp,
  readWorker,
  type Sources,
} from "./read-settings.ts";

const urls = { databaseUrl: "postgres://u:hunter2@db:5432/x", amqpUrl: "amqp://u:hunter2@mq", redisUrl: "redis://r" };
const variables = { DATABASE_URL: urls.databaseUrl, AMQP_URL: urls.amqpUrl, REDIS_URL: urls.redisUrl };
const handle = (): string => "done";

interface Given {
  readonly file?: SluiceConfig;
  readonly overrides?: Overrides;
  readonly env?: Sources["env"];
}

function sources({ file, overrides = {}, env = variables }: Given = {}): Sources {
  return { file, overrides, env };
}

function withQueue(queue: QueueConfig, more: Partial<SluiceConfig> = {}): SluiceConfig {
  return { queues: { orders: queue }, ...more };
}

/** Refused as bad configuration, in words that fit and without any password. */
function refused(read: () => unknown, message: RegExp): void {
  assert.throws(read, (error) => {
    assert.ok(error instanceof SluiceError);
    assert.equal(error.code, "bad-config");
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /hunter2/);
    return true;
  });
}

test("auto lets the workers of a target find the concurrency, and a number beside it is the most", () => {
  const target = "http://127.0.0.1:9000";
  const read = (queue: QueueConfig, overrides: Overrides = {}) => {
    const [found] = readUp(sources({ file: withQueue({ target, ...queue }), overrides })).queues;
    return [found?.isAuto, found?.ratePerHour, found?.concurrency];
  };
  assert.deepEqual(read({}), [false, undefined, 16]);
  assert.deepEqual(read({ rate: "auto" }), [true, undefined, 1_000]);
  assert.deepEqual(read({ concurrency: "auto" }), [true, undefined, 1_000]);
  assert.deepEqual(read({ rate: "auto", concurrency: "auto" }), [true, undefined, 1_000]);
  assert.deepEqual(read({ rate: "auto", concurrency: 50 }), [true, undefined, 50]);
  assert.deepEqual(read({ rate: "2/s", concurrency: "auto" }), [true, 7_200, 1_000]);
  assert.deepEqual(read({ rate: "2/s" }, { queue: "orders", rate: "auto" }), [true, undefined, 1_000]);
  assert.deepEqual(read({}, { queue: "orders", concurrency: "auto" }), [true, undefined, 1_000]);
  assert.deepEqual(read({ concurrency: "auto" }, { queue: "orders", concurrency: "7" }), [false, undefined, 7]);
  refused(
    () => readUp(sources({ file: withQueue({ handle, rate: "auto" }) })),
    /^queues\.orders: "auto" measures a target/,
  );
  refused(
    () => readUp(sources({ file: withQueue({ handle, concurrency: "auto" }) })),
    /^queues\.orders: "auto" measures/,
  );
  refused(
    () => read({ rate: "auto", concurrency: 0 }),
    /^queues\.orders\.concurrency must be an integer from 1 to 10000/,
  );
  refused(() => read({ concurrency: "fast" as never }), /^queues\.orders\.concurrency must be an integer/);
  const callbacks = { rate: "auto", secret: `whsec_${Buffer.alloc(32).toString("base64")}` };
  refused(() => readUp(sources({ file: withQueue({ handle }, { callbacks }) })), /^callbacks\.rate must be a rate/);
});

test("the origins that may call the API are origins, from the flag before the file", () => {
  const file = withQueue({ handle }, { cors: ["https://filed.example"] });
  const corsOf = (given: Given): readonly string[] => readUp(sources(given)).cors;
  assert.deepEqual(corsOf({ file: withQueue({ handle }) }), []);
  assert.deepEqual(corsOf({ file }), ["https://filed.example"]);
  assert.deepEqual(corsOf({ file, overrides: { cors: "https://a.example, *" } }), ["https://a.example", "*"]);
  for (const cors of ["https://a.example/", "a.example", "https://a.example/page", ""])
    refused(() => corsOf({ file, overrides: { cors } }), /^cors takes origins/);
  refused(
    () => corsOf({ file: withQueue({ handle }, { cors: "https://a.example" as never }) }),
    /^cors must be a list/,
  );
});

describe("the servers of a cluster", () => {
  const file = withQueue({}, { cluster: { databaseUrl: "postgres://file", amqpUrl: "amqps://file", prefix: "filed" } });

  test("are read from flags before the environment before the file before the defaults", () => {
    const overrides = { databaseUrl: "postgresql://flag", prefix: "flagged" };
    const { DATABASE_URL, REDIS_URL } = variables;
    assert.deepEqual(readCluster(sources({ file, overrides, env: { DATABASE_URL, REDIS_URL } })).servers, {
      databaseUrl: "postgresql://flag",
      amqpUrl: "amqps://file",
      redisUrl: urls.redisUrl,
      prefix: "flagged",
    });
    assert.equal(readCluster(sources({ file })).servers.databaseUrl, urls.databaseUrl);
    assert.equal(readCluster(sources({ file })).servers.prefix, "filed");
    assert.equal(readCluster(sources()).servers.prefix, "sluice");
  });

  test("are named, with flag and variable, when PostgreSQL is missing", () => {
    for (const env of [{}, { ...variables, DATABASE_URL: "" }])
      refused(
        () => readCluster(sources({ env })),
        /give --database-url or DATABASE_URL \(postgres:\/\/\S+\)\. AMQP_URL and REDIS_URL are optional$/,
      );
  });

  test("need be no more than PostgreSQL, and an empty variable counts as unset", () => {
    const { DATABASE_URL } = variables;
    for (const env of [{ DATABASE_URL }, { DATABASE_URL, AMQP_URL: "", REDIS_URL: "", AMQP_URL_FILE: "" }])
      assert.deepEqual(readCluster(sources({ env })).servers, {
        databaseUrl: urls.databaseUrl,
        amqpUrl: undefined,
        redisUrl: undefined,
        prefix: "sluice",
      });
    const { servers } = readCluster(sources({ env: { ...variables, AMQP_URL: "" } }));
    assert.deepEqual([servers.amqpUrl, servers.redisUrl], [undefined, urls.redisUrl]);
  });

  test("are refused where one that may be left out is given as nothing at all", () => {
    refused(() => readCluster(sources({ overrides: { amqpUrl: "" } })), /^--amqp-url must be a URL such as amqp:/);
    const file = withQueue({}, { cluster: { redisUrl: "" } });
    refused(() => readCluster(sources({ file, env: { ...variables, REDIS_URL: "" } })), /^cluster\.redisUrl must be/);
  });

  test("are read alone where PostgreSQL is all that is needed", () => {
    const env = { DATABASE_URL: urls.databaseUrl, AMQP_URL: "amqp:nonsense", REDIS_URL_FILE: "/nowhere" };
    assert.equal(readDatabaseUrl({ file: undefined, overrides: {}, env }), urls.databaseUrl);
    refused(() => readDatabaseUrl({ file: undefined, overrides: {}, env: {} }), /^a cluster needs PostgreSQL: give/);
  });

  for (const [what, env, message] of [
    [
      "another scheme",
      { DATABASE_URL: "mysql://u:hunter2@db" },
      /^DATABASE_URL must be a URL such as postgres:.*mysql:$/,
    ],
    ["no URL", { DATABASE_URL: "host=db password=hunter2" }, /^DATABASE_URL must be a URL such as .* does not parse$/],
    ["no host", { AMQP_URL: "amqp:hunter2" }, /^AMQP_URL must be a URL such as amqp:.* does not parse$/],
    [
      "an empty host among several",
      { AMQP_URL: "amqp://u:hunter2@a,,b" },
      /^AMQP_URL must be .*: it has an empty host$/,
    ],
    ["Sentinels without a name", { REDIS_URL: "redis+sentinel://:hunter2@a,b" }, /^REDIS_URL must .*name of a primary/],
    [
      "no database's number",
      { REDIS_URL: "redis://a/hunter2" },
      /^REDIS_URL must be .*: it has a path that is no number/,
    ],
    ["another server's", { REDIS_URL: urls.amqpUrl }, /^REDIS_URL must be a URL such as redis:.*amqp:$/],
  ] as const) {
    test(`are refused without showing a password: ${what}`, () => {
      refused(() => readCluster(sources({ env: { ...variables, ...env } })), message);
    });
  }

  test("may be several nodes each", () => {
    const env = {
      DATABASE_URL: "postgres://u:p@a:1,b:2/db?target_session_attrs=read-write",
      AMQP_URL: "amqp://u:p@a,b:2/v,amqp://w:q@c",
      REDIS_URL: "redis+sentinel://:p@a,b,c:1/mymaster/3",
    };
    const { databaseUrl, amqpUrl, redisUrl } = readCluster(sources({ env })).servers;
    assert.deepEqual([databaseUrl, amqpUrl, redisUrl], Object.values(env));
  });

  test("are refused by the name of the place they stand in", () => {
    refused(() => readCluster(sources({ overrides: { redisUrl: "http://r" } })), /^--redis-url must/);
    const wrong = withQueue({}, { cluster: { databaseUrl: "db" } });
    refused(() => readCluster(sources({ file: wrong, env: {} })), /^cluster\.databaseUrl must/);
  });

  test("have a prefix within its rule", () => {
    for (const prefix of ["a", "team-7", "x".repeat(32)])
      assert.equal(readCluster(sources({ overrides: { prefix } })).servers.prefix, prefix);
    for (const prefix of ["", "Team", "a.b", "x".repeat(33)])
      refused(() => readCluster(sources({ overrides: { prefix } })), /^prefix is 1 to 32 of a to z, 0 to 9 and dashes/);
  });

  test("may stand in files, as secrets do", async () => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "amqp");
    await writeFile(path, `${urls.amqpUrl}\n`);
    const env = { ...variables, AMQP_URL: undefined, AMQP_URL_FILE: path };
    assert.equal(readCluster(sources({ env })).servers.amqpUrl, urls.amqpUrl);
    refused(() => readCluster(sources({ env: { ...env, AMQP_URL: urls.amqpUrl } })), /^AMQP_URL and AMQP_URL_FILE are/);
    refused(
      () => readCluster(sources({ env: { ...env, AMQP_URL_FILE: `${path}-not` } })),
      /^AMQP_URL_FILE .* no such file or directory$/,
    );
    await writeFile(path, "\n");
    refused(() => readCluster(sources({ env })), /^AMQP_URL_FILE: .* is empty$/);
  });

  test("are a closed set of fields", () => {
    const file = withQueue({}, { cluster: { ...urls, database: "x" } as SluiceConfig["cluster"] & object });
    refused(
      () => readCluster(sources({ file })),
      /^cluster knows the fields databaseUrl, amqpUrl, .*"database"; did you mean databaseUrl\?$/,
    );
  });
});

describe("the queues", () => {
  test("of a gateway need nothing that runs them", () => {
    const { queues } = readGateway(sources({ overrides: { queue: "orders", rate: "60/m" } }));
    assert.deepEqual(
      queues.map(({ name, run, ratePerHour }) => [name, run, ratePerHour]),
      [["orders", undefined, 3_600]],
    );
    assert.equal(readGateway(sources({ file: withQueue({ handle }) })).queues[0]?.run?.kind, "handler");
  });

  for (const [role, read] of [
    ["up", readUp],
    ["worker", readWorker],
  ] as const) {
    test(`of ${role} need a handler or a target`, () => {
      const overrides = { queue: "orders" };
      refused(() => read(sources({ overrides })), /^queues\.orders needs one of handle/);
      const { queues } = read(sources({ overrides: { ...overrides, target: "http://b" } }));
      const run = queues[0]?.run;
      assert.equal(run?.kind === "target" && run.target.url.href, "http://b/");
    });
  }

  test("are refused with both a handler and a target, whoever serves them", () => {
    const file = withQueue({ handle, target: "http://b" });
    for (const read of [readUp, readGateway, readWorker, readCluster])
      refused(() => read(sources({ file })), /^queues\.orders needs one of handle/);
  });

  test("must be some, but for those who only look after the servers", () => {
    refused(() => readUp(sources()), /^no queue: give --queue NAME --target URL/);
    refused(() => readWorker(sources()), /^no queue: give --queue NAME --target URL/);
    refused(() => readGateway(sources()), /^no queue: give --queue NAME,/);
    assert.deepEqual(readCluster(sources()).queues, []);
  });

  test("take flags before the file, and flags of a queue need one", () => {
    const file = withQueue({ target: "http://b", rate: "1/s", concurrency: 2 });
    const { queues } = readWorker(sources({ file, overrides: { queue: "orders", rate: "2/s" } }));
    assert.deepEqual([queues[0]?.ratePerHour, queues[0]?.concurrency], [7_200, 2]);
    refused(() => readWorker(sources({ file, overrides: { rate: "2/s" } })), /^--rate goes with --queue NAME/);
  });
});

test("the longest wait that Retry-After gets is the longest backoff, unless it is set", () => {
  const waitOf = (retry: RetryConfig): number | undefined =>
    readUp(sources({ file: withQueue({ handle, retry }) })).queues[0]?.retryPolicy.retryAfterMaxMs;
  assert.equal(waitOf({}), 600_000);
  assert.equal(waitOf({ backoffMax: "1h" }), 3_600_000);
  assert.equal(waitOf({ backoffMax: "1h", retryAfterMax: "1d" }), 86_400_000);
  refused(
    () => waitOf({ retryAfterMax: "soon" }),
    /^queues\.orders\.retry\.retryAfterMax must be a duration from 0s to 30d, got "soon"$/,
  );
});

describe("a transactional queue", () => {
  test("is refused by the embedded engine", () => {
    refused(
      () => readUp(sources({ file: withQueue({ handle, transactional: true }) })),
      /^queues\.orders\.transactional needs the cluster engine/,
    );
  });

  test("is known to gateway and worker of a cluster", () => {
    const file = withQueue({ handle, transactional: true });
    assert.equal(readWorker(sources({ file })).queues[0]?.isTransactional, true);
    assert.equal(readGateway(sources({ file })).queues[0]?.isTransactional, true);
    assert.equal(readWorker(sources({ file: withQueue({ handle }) })).queues[0]?.isTransactional, false);
  });

  test("is refused with a target, which says why, and with anything but true or false", () => {
    const file = withQueue({ target: "http://b", transactional: true });
    for (const read of [readGateway, readWorker])
      refused(
        () => read(sources({ file })),
        /transactional needs handle: what a target does is out of the transaction/,
      );
    const wrong = withQueue({ handle, transactional: "yes" as unknown as boolean });
    refused(() => readWorker(sources({ file: wrong })), /must be true or false, got "yes"$/);
  });
});

test("one file serves up, gateway and worker, and each takes what is its own", () => {
  const file = withQueue({ handle }, { cluster: urls, host: "127.0.0.2", grace: "3s", data: "./there" });
  const given = sources({ file, env: {} });
  assert.equal(readUp(given).data, "./there");
  assert.deepEqual(
    [readGateway(given).host, readGateway(given).servers.amqpUrl, readWorker(given).graceMs],
    ["127.0.0.2", urls.amqpUrl, 3_000],
  );
});

describe("the spool of a gateway", () => {
  const spoolOf = (given: Given) => readGateway(sources({ file: withQueue({ handle }), ...given })).spool;

  test("is a folder and a size, from the file or from flags, and none unless it is named", () => {
    assert.equal(spoolOf({}), undefined);
    const file = withQueue({ handle }, { spool: { folder: "there" } });
    assert.deepEqual(spoolOf({ file }), { folder: "there", bytesMax: 2 ** 30 });
    assert.deepEqual(spoolOf({ file, overrides: { spool: "here", spoolMax: "2MiB" } }), {
      folder: "here",
      bytesMax: 2 ** 21,
    });
    assert.equal(readWorker(sources({ file })).queues.length, 1);
  });

  test("is refused without a folder, with a size that is none, and where the store is on this disk", () => {
    const withSpool = (spool: unknown): SluiceConfig => ({ ...withQueue({ handle }), spool: spool as SpoolConfig });
    refused(() => spoolOf({ file: withSpool({ max: "1GiB" }) }), /^spool\.max goes with a folder/);
    refused(() => spoolOf({ file: withSpool({}) }), /^spool needs a folder/);
    refused(() => spoolOf({ file: withSpool("there") }), /^spool must be an object, got "there"$/);
    refused(() => spoolOf({ file: withSpool({ folder: 7 }) }), /^spool\.folder must be a text/);
    refused(
      () => spoolOf({ file: withSpool({ folder: "a", max: "1KiB" }) }),
      /^spool\.max must be a size from 1MiB to/,
    );
    refused(() => spoolOf({ file: withSpool({ folder: "a", size: "1GiB" }) }), /^spool knows the fields folder, max/);
    refused(() => readUp(sources({ file: withSpool({ folder: "a" }) })), /^spool goes with sluice gateway/);
    const env = { ...variables, SLUICE_SPOOL_FOLDER: "a" };
    refused(() => readUp(sources({ file: withQueue({ handle }), env })), /^spool goes with sluice gateway/);
  });
});

describe("the file of the API keys", () => {
  const file = withQueue({ handle }, { data: "./there" });

  test("is in the data folder, unless it is named", () => {
    const keysOf = (given: Given) => readUp(sources(given)).keys;
    assert.deepEqual(keysOf({ file }), { kind: "file", file: "there/keys.json", isNamed: false });
    assert.deepEqual(keysOf({ file: { ...file, keys: "f.json" } }), { kind: "file", file: "f.json", isNamed: true });
    assert.equal(readKeysPlace(sources({ file, overrides: { keys: "k.json" } })), "k.json");
  });

  test("may be the value of a variable, which no command can change", () => {
    const env = { SLUICE_KEYS: "{}" };
    assert.deepEqual(readUp(sources({ file, env })).keys, { kind: "text", text: "{}" });
    refused(() => readKeysPlace(sources({ file, env })), /^the API keys are in SLUICE_KEYS: change its value/);
    assert.equal(readKeysPlace(sources({ file, env, overrides: { keys: "k.json" } })), "k.json");
    assert.equal(readKeysPlace(sources({ file, env: { SLUICE_KEYS: "" } })), "there/keys.json");
    const both = { ...env, SLUICE_KEYS_FILE: "k.json" };
    refused(() => readUp(sources({ file, env: both, overrides: { keys: "k.json" } })), /are both set: set one of them/);
  });
});

test("the gateway's own names are hosts without a port", () => {
  const file = withQueue({ handle });
  assert.deepEqual(readUp(sources({ file, overrides: { hosts: "Sluice.Example, 10.0.0.1" } })).hosts, [
    "sluice.example",
    "10.0.0.1",
  ]);
  for (const host of ["sluice.example:8080", "https://sluice.example", ""])
    refused(() => readUp(sources({ file: { ...file, hosts: [host] } })), /^hosts takes names as "sluice.example"/);
});

describe("the listeners", () => {
  const file = withQueue({ handle });

  test("are one without TLS unless more is said", () => {
    const { admin, tls } = readUp(sources({ file }));
    assert.deepEqual([admin, tls], [undefined, undefined]);
  });

  test("of the admin routes are on the loopback unless they are put elsewhere", () => {
    assert.deepEqual(readUp(sources({ file, overrides: { adminPort: "9090" } })).admin, {
      host: "127.0.0.1",
      port: 9_090,
    });
    refused(() => readUp(sources({ file: { ...file, adminHost: "::1" } })), /^adminHost goes with adminPort/);
  });

  test("speak TLS with a certificate and its key, and not with one of them", () => {
    const tls = { cert: "c.pem", key: "k.pem" };
    assert.deepEqual(readGateway(sources({ file: { ...file, tls } })).tls, tls);
    assert.deepEqual(readUp(sources({ file: { ...file, tls }, overrides: { tlsCert: "d.pem" } })).tls?.cert, "d.pem");
    refused(() => readUp(sources({ file, overrides: { tlsCert: "c.pem" } })), /^TLS needs a certificate and its key/);
  });
});

describe("the addresses that may be called", () => {
  const targetOf = (target: string, given: Given = {}) =>
    readUp(sources({ ...given, file: { ...withQueue({ target }), ...given.file } })).queues[0]?.run;
  const ruleOf = (target: string, given: Given = {}) => {
    const run = targetOf(target, given);
    assert.ok(run?.kind === "target");
    return run.target.rule;
  };

  test("are those that a target itself is written with, and no other private ones", () => {
    assert.equal(refusalOfAddress("127.0.0.1", "127.0.0.1", ruleOf("http://127.0.0.1:9000/process")), undefined);
    assert.equal(refusalOfAddress("::1", "localhost", ruleOf("http://localhost:9000")), undefined);
    assert.notEqual(refusalOfAddress("10.0.0.2", "10.0.0.2", ruleOf("http://10.0.0.1")), undefined);
    assert.notEqual(refusalOfAddress("10.0.0.1", "b", ruleOf("http://b")), undefined);
  });

  test("are told by the file, and by the flag before it", () => {
    const file = withQueue({ target: "http://b" }, { targets: { allow: ["c"] } });
    assert.notEqual(refusalOfAddress("10.0.0.1", "b", ruleOf("http://b", { file })), undefined);
    const overrides = { targetAllow: "b, 10.1.0.0/16" };
    assert.equal(refusalOfAddress("10.0.0.1", "b", ruleOf("http://b", { file, overrides })), undefined);
    assert.equal(refusalOfAddress("10.1.0.1", "d", ruleOf("http://d", { overrides })), undefined);
  });

  test("are refused at the start where the target's words are enough to tell", () => {
    refused(
      () => targetOf("http://169.254.169.254/latest"),
      /^queues\.orders\.target: 169\.254\.169\.254 .*credentials/,
    );
    const hosts = { file: withQueue({ target: "http://c" }, { targets: { hosts: ["b"] } }) };
    refused(() => targetOf("http://c", hosts), /^queues\.orders\.target: http:\/\/c .*targets\.hosts/);
    const schemes = { file: withQueue({ target: "http://c" }, { targets: { schemes: ["https"] } }) };
    refused(() => targetOf("http://c", schemes), /only https may be called/);
    refused(() => targetOf("http://c", { overrides: { targetAllow: "10.0.0.0/99" } }), /^targets\.allow/);
    const wrong = { allow: "b" } as unknown as NonNullable<SluiceConfig["targets"]>;
    refused(() => readGateway(sources({ file: withQueue({}, { targets: wrong }) })), /^targets\.allow must be a list/);
  });
});

describe("the goal of a queue's scaling", () => {
  const goalOf = (given: Given) => readAutoscaler(sources(given)).queues.map(({ scaling }) => scaling);

  test("has defaults", () => {
    assert.deepEqual(goalOf({ file: withQueue({}) }), [{ min: 1, max: 8, maxWaitMs: 300_000, holdMs: 300_000 }]);
    assert.equal(goalOf({ file: withQueue({ scaling: { min: 20 } }) })[0]?.max, 20);
  });

  test("is read from the flags, for every queue, before the file", () => {
    const file = { queues: { a: { scaling: { min: 2, maxWait: "1h" } }, b: {} } };
    const overrides = { max: "3", hold: "10s" };
    assert.deepEqual(goalOf({ file, overrides }), [
      { min: 2, max: 3, maxWaitMs: 3_600_000, holdMs: 10_000 },
      { min: 1, max: 3, maxWaitMs: 300_000, holdMs: 10_000 },
    ]);
  });

  test("is refused when it is none", () => {
    const wrong = (scaling: object, message: RegExp) => {
      refused(() => readGateway(sources({ file: withQueue({ scaling }) })), message);
    };
    wrong({ min: 0 }, /^queues\.orders\.scaling\.min must be an integer from 1 to 10000, got 0/);
    wrong({ min: 3, max: 2 }, /^queues\.orders\.scaling\.max must be at least min, which is 3, got 2/);
    wrong({ maxWait: "soon" }, /^queues\.orders\.scaling\.maxWait must be a duration from 1ms to 30d, got "soon"$/);
    wrong({ maxWait: "0s" }, /^queues\.orders\.scaling\.maxWait must be a duration from 1ms/);
    wrong({ most: 2 }, /^queues\.orders\.scaling knows the fields min, max, maxWait, hold, got "most"/);
    refused(
      () => goalOf({ file: withQueue({}), overrides: { max: "many" } }),
      /^--max must be an integer from 1 to 10000, got "many"$/,
    );
  });
});
