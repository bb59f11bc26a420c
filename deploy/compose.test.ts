// The compose files and swarm/stack.yaml: that nothing in them points to nowhere, and that stops and updates lose nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { sluiceCommand, startChild } from "@sluice/testing";
import { parse } from "yaml";
import { readGateway, readWorker } from "../packages/sluice/src/config/read-settings.ts";
import { parseDuration } from "../packages/sluice/src/core/duration.ts";
import { defaultGatewayLimits } from "../packages/sluice/src/gateway/limits.ts";
import { composeFindings } from "./checks/compose-findings.ts";
import { at, textAt, textsAt, treesAt, type Tree } from "./checks/tree.ts";
import config from "./swarm/sluice.config.ts";

const nowhere = {
  DATABASE_URL: "postgres://127.0.0.1:1/none",
  AMQP_URL: "amqp://127.0.0.1:1",
  REDIS_URL: "redis://127.0.0.1:1",
};
const files = {
  "compose.yaml": "./compose.yaml",
  "compose.only-postgres.yaml": "./compose.only-postgres.yaml",
  "stack.yaml": "./swarm/stack.yaml",
};
const roles = ["gateway", "worker", "autoscaler"];

for (const [name, path] of Object.entries(files)) {
  describe(name, () => {
    const file = parsed(read(path));
    const own = treesAt(file, "services").flatMap((services) =>
      Object.entries(services).filter(([service]) => [...roles, "migrate"].includes(service)),
    );

    test("refers to nothing that is not there, and declares nothing for nobody", () => {
      assert.deepEqual(composeFindings(file), []);
    });

    test("gives each role the time that its stop takes", () => {
      const graceMs = (service: string) =>
        parseDuration(textAt(file, "services", service, "stop_grace_period") ?? "10s"); // Docker's own
      assert.ok(graceMs("worker") >= readWorker({ file: config, overrides: {}, env: nowhere }).graceMs + 10_000);
      const { lingerMs } = readGateway({ file: config, overrides: {}, env: nowhere });
      assert.ok(graceMs("gateway") >= lingerMs + 2 * defaultGatewayLimits.closeGraceMs);
    });

    test("writes to nothing of the image", () => {
      for (const [service, definition] of own) {
        assert.deepEqual(at(definition, "read_only"), [true], service);
        const mounts = treesAt(definition, "volumes").filter(({ type }) => type === "tmpfs");
        const written = name === "stack.yaml" ? textsAt(mounts, "target") : at(definition, "tmpfs").flat();
        assert.deepEqual(written, ["/tmp"], service);
      }
    });

    test("starts the command with flags that it knows", async () => {
      assert.ok(own.length >= 3);
      await Promise.all(own.map(([, definition]) => assertStarts(textsAt(definition, "command").flat())));
    });
  });
}

/** As far as it gets without its servers; a flag or a setting that is wrong ends it with 64 or 78. */
async function assertStarts(args: readonly string[]): Promise<void> {
  const cwd = fileURLToPath(new URL("./swarm", import.meta.url)); // where a sluice.config.ts is
  const env = { ...nowhere, SLUICE_WAIT_FOR_SERVERS: "0s" };
  await using child = await startChild({ command: process.execPath, args: [sluiceCommand, ...args], env, cwd });
  const { code } = await child.exited;
  assert.equal(code, 69, child.output());
}

/** Of the Compose file's reference: what `docker stack deploy` leaves out, of some of it without a word. */
const passedOver = [
  "build",
  "cgroup_parent",
  "container_name",
  "depends_on",
  "devices",
  "external_links",
  "links",
  "network_mode",
  "restart",
  "security_opt",
  "shm_size",
  "tmpfs",
  "userns_mode",
];

test("on PostgreSQL alone all is as with the other servers, but for them", () => {
  const [whole, alone] = [parsed(read(files["compose.yaml"])), parsed(read(files["compose.only-postgres.yaml"]))];
  const without = (tree: unknown): unknown =>
    JSON.parse(
      JSON.stringify(tree, (key, value: unknown) =>
        ["rabbitmq", "redis", "AMQP_URL", "REDIS_URL"].includes(key) ? undefined : value,
      ),
    );
  assert.notDeepEqual(alone, whole);
  assert.deepEqual(alone, without(whole));
});

describe("stack.yaml in a swarm", () => {
  const file = parsed(read(files["stack.yaml"]));

  test("says nothing that a stack passes over", () => {
    for (const [service, definition] of Object.entries(treesAt(file, "services")[0] ?? {}))
      assert.deepEqual(
        Object.keys(definition as Tree).filter((field) => passedOver.includes(field)),
        [],
        service,
      );
  });

  test("knows what to do when an update fails, and never has two of a server on one volume", () => {
    for (const [service, definition] of Object.entries(treesAt(file, "services")[0] ?? {})) {
      if (service === "migrate") continue; // it runs once
      const isRole = roles.includes(service);
      assert.equal(
        textAt(definition, "deploy", "update_config", "failure_action"),
        isRole ? "rollback" : "pause",
        service,
      );
      const order = service === "worker" || service === "autoscaler" ? "start-first" : "stop-first";
      assert.equal(textAt(definition, "deploy", "update_config", "order"), order, service);
      assert.equal(textAt(definition, "deploy", "rollback_config", "order"), order, service);
    }
  });

  test("keeps passwords out of the file and of the environment", () => {
    const variables = treesAt(file, "services").flatMap((services) =>
      Object.values(services).flatMap((service) => treesAt(service, "environment").flatMap(Object.keys)),
    );
    assert.deepEqual(
      variables.filter((variable) => /(URL|PASS|PASSWORD)$/.test(variable)),
      [],
    );
    assert.ok(variables.includes("DATABASE_URL_FILE"));
  });

  test("gives nobody but the autoscaler the Docker socket", () => {
    const holders = Object.entries(treesAt(file, "services")[0] ?? {}).filter(([, service]) =>
      JSON.stringify(service).includes("docker.sock"),
    );
    assert.deepEqual(
      holders.map(([service]) => service),
      ["autoscaler"],
    );
  });
});

describe("what is planted is found", () => {
  const planted: ReadonlyArray<readonly [what: string, file: keyof typeof files, from: string, to: string]> = [
    ["a secret that is not declared", "stack.yaml", "secrets: [postgres-password]", "secrets: [postgres-pass]"],
    ["a file that is no secret of the service", "stack.yaml", "/run/secrets/redis-conf", "/run/secrets/redis.conf"],
    ["a variable that names no secret", "stack.yaml", "/run/secrets/amqp-url", "/run/secrets/amqp"],
    ["a config that is not declared", "stack.yaml", "source: sluice-config", "source: config"],
    ["a volume that is not declared", "stack.yaml", "rabbitmq:/var/lib", "rabbit:/var/lib"],
    ["a network that is not declared", "stack.yaml", "networks: [host]", "networks: [hosts]"],
    ["a service to scale that is not there", "stack.yaml", "_worker", "_workers"],
    ["a volume that nobody uses", "compose.yaml", "postgres:/var/lib", "./postgres:/var/lib"],
    ["a service to wait for that is not there", "compose.yaml", "rabbitmq: { condition", "rabbit: { condition"],
  ];
  for (const [what, name, from, to] of planted) {
    test(`${what}, in ${name}`, () => {
      const text = read(files[name]);
      assert.ok(text.includes(from), `there is no ${from}`);
      assert.notDeepEqual(composeFindings(parsed(text.replace(from, to))), []);
    });
  }
});

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

function parsed(text: string): Tree {
  return parse(text.replaceAll(/\$\{\w+:-([^}]*)\}/g, "$1"), { merge: true }) as Tree;
}
