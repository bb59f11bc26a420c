import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SluiceError } from "./errors.ts";
import { addressOf, nodesMax, nodesOf, redisPlaceOf } from "./server-url.ts";

const taken: readonly (readonly [what: string, url: string, nodes: readonly string[], address: string])[] = [
  ["one host", "amqp://u:p@a/v", ["amqp://u:p@a/v"], "a:5672"],
  [
    "several hosts, some without a port",
    "amqp://u:p@a:5672,b:5673,c/v",
    ["amqp://u:p@a:5672/v", "amqp://u:p@b:5673/v", "amqp://u:p@c/v"],
    "a:5672, b:5673, c:5672",
  ],
  [
    "parameters",
    "postgres://a:5432,b:5433/db?target_session_attrs=read-write",
    ["postgres://a:5432/db?target_session_attrs=read-write", "postgres://b:5433/db?target_session_attrs=read-write"],
    "a:5432, b:5433",
  ],
  [
    "whole URLs, each with its own login",
    "amqps://u:p@a/v,amqps://w:q@b:1/x",
    ["amqps://u:p@a/v", "amqps://w:q@b:1/x"],
    "a:5671, b:1",
  ],
  [
    "Sentinels",
    "redis+sentinel://:p@a,b:1/mymaster/0",
    ["redis+sentinel://:p@a/mymaster/0", "redis+sentinel://:p@b:1/mymaster/0"],
    "a:26379, b:1",
  ],
  ["IPv6", "amqp://[::1]:1,[fe80::2]", ["amqp://[::1]:1", "amqp://[fe80::2]"], "[::1]:1, [fe80::2]:5672"],
  [
    "a password with commas and at signs",
    "amqp://u:p,w%2C%40@x@a,b/v",
    ["amqp://u:p,w%2C%40@x@a/v", "amqp://u:p,w%2C%40@x@b/v"],
    "a:5672, b:5672",
  ],
  ["a comma in the path", "amqp://a/v,w", ["amqp://a/v,w"], "a:5672"],
  ["no host: the client's default", "postgres:///db?host=/run", ["postgres:///db?host=/run"], ":5432"],
  ["a socket", "postgres://%2Frun/db", ["postgres://%2Frun/db"], "%2Frun:5432"],
];

for (const [what, url, nodes, address] of taken)
  test(`the nodes of a URL: ${what}`, () => {
    deepEqual(nodesOf(url), nodes);
    equal(addressOf(url), address);
  });

const refused: readonly (readonly [what: string, url: string, message: RegExp])[] = [
  ["nothing", "", /does not parse$/],
  ["no scheme", "hunter2@a,b", /does not parse$/],
  ["only a comma", "amqp://u:hunter2@,", /empty host$/],
  ["an empty host", "amqp://u:hunter2@a,,b", /empty host$/],
  ["a port without a host", "amqp://u:hunter2@a,:5672", /empty host$/],
  ["a login and no host", "amqp://u:hunter2@/v", /does not parse$/],
  ["a comma at the end", "amqp://u:hunter2@a,", /empty host$/],
  ["port 0", "amqp://u:hunter2@a:0,b", /port that is not 1 to 65535$/],
  ["a port that is too high", "amqp://u:hunter2@a,b:65536", /does not parse$/],
  ["a port that is no number", "amqp://u:hunter2@a:hunter2", /does not parse$/],
  ["IPv6 that is not closed", "amqp://u:hunter2@[::1,b", /does not parse$/],
  ["a host with a space", "amqp://u:hunter2@a, b/v", /does not parse$/],
  ["two schemes", "amqp://u:hunter2@a,amqps://b", /mixes schemes$/],
  [
    "a thousand hosts",
    `amqp://u:hunter2@${Array.from({ length: 1_000 }, (_one, index) => `h${index}`).join(",")}`,
    /names 1000 hosts, more than 64$/,
  ],
];

for (const [what, url, message] of refused)
  test(`a URL is refused without showing its password: ${what}`, () => {
    throws(
      () => nodesOf(url, "AMQP_URL"),
      (error) => {
        if (!(error instanceof SluiceError) || error.code !== "bad-config") return false;
        return error.message.startsWith("AMQP_URL ") && message.test(error.message) && !/hunter2/.test(error.message);
      },
    );
  });

test("any login survives the split, and never shows in the address", () => {
  const hosts = fc.array(fc.domain(), { minLength: 1, maxLength: nodesMax });
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), hosts, (password, names) => {
      const login = `u:${encodeURIComponent(password.toWellFormed())}`;
      const nodes = nodesOf(`amqp://${login}@${names.join(",")}/v`);
      deepEqual(
        nodes,
        names.map((name) => `amqp://${login}@${name}/v`),
      );
      equal(addressOf(`amqp://${login}@${names.join(",")}/v`), names.map((name) => `${name}:5672`).join(", "));
    }),
  );
});

test("the place of a Redis is its database, and the name of its primary where Sentinels are asked", () => {
  deepEqual(redisPlaceOf("redis://a"), { primary: undefined, database: 0 });
  deepEqual(redisPlaceOf("rediss://:p@a/15?x"), { primary: undefined, database: 15 });
  deepEqual(redisPlaceOf("redis+sentinel://a/my-master.1"), { primary: "my-master.1", database: 0 });
  deepEqual(redisPlaceOf("rediss+sentinel://a/m/3"), { primary: "m", database: 3 });
  const shown = (error: Error): boolean => !/hunter2/.test(error.message);
  for (const url of [
    "redis+sentinel://:hunter2@a",
    "redis+sentinel://a/",
    "redis+sentinel://a//1",
    "redis+sentinel://a/m%20/1",
  ])
    throws(
      () => redisPlaceOf(url),
      (error: Error) => /has no name of a primary/.test(error.message) && shown(error),
    );
  for (const url of ["redis://a/hunter2", "redis://a/-1", "redis://a/1/2", "redis+sentinel://a/m/x", "redis://a/1e9"])
    throws(
      () => redisPlaceOf(url),
      (error: Error) => error.message.endsWith("no number of a database") && shown(error),
    );
});
