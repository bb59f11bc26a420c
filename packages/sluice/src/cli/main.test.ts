import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort } from "@sluice/testing";
import { openScriptedGateway, problem } from "../../../client/test/scripted-gateway.ts";
import { runSluice } from "../../test/run-sluice.ts";

test("the main help teaches: every command, the environment, the exit codes", async () => {
  const { exitCode, stdout } = await runSluice({ args: ["--help"] });
  assert.equal(exitCode, 0);
  for (const word of [
    "up",
    "gateway",
    "worker",
    "migrate",
    "doctor",
    "send",
    "get",
    "queues",
    "dead",
    "audit",
    "init",
    "plan",
    "SLUICE_URL",
    "DATABASE_URL[_FILE]",
    "AMQP_URL[_FILE]",
    "REDIS_URL[_FILE]",
    "SLUICE_PREFIX",
    "69  a server is unreachable",
  ]) {
    assert.ok(stdout.includes(word), word);
  }
});

for (const command of [
  "up",
  "gateway",
  "worker",
  "migrate",
  "doctor",
  "send",
  "get",
  "queues",
  "dead",
  "audit",
  "init",
  "plan",
]) {
  test(`the help of ${command} has a purpose and an example`, async () => {
    const { exitCode, stdout } = await runSluice({ args: [command, "--help"] });
    assert.equal(exitCode, 0);
    assert.match(stdout, new RegExp(`^Usage: sluice ${command}`));
    assert.ok((stdout.match(new RegExp(`sluice ${command}`, "g")) ?? []).length > 1, stdout);
  });
}

test("a server starts where nothing can be written for its next start", async () => {
  const { exitCode, stderr } = await runSluice({ args: ["worker", "--help"], env: { TMPDIR: "/dev/null" } });
  assert.equal(exitCode, 0, stderr);
});

test("the version is printed", async () => {
  const { exitCode, stdout } = await runSluice({ args: ["--version"] });
  assert.equal(exitCode, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

const wrongUsage: readonly (readonly string[])[] = [
  ["launch"],
  ["send"],
  ["send", "--queue"],
  ["send", "--queue", "orders", "--nonsense"],
  ["send", "--queue", "orders", "--wait=soon"],
  ["get"],
  ["get", "id", "--result", "--body"],
  ["queues", "--url", "orders"],
  ["dead", "replay"],
  ["dead", "replay", "id", "--queue", "orders"],
  ["dead", "list", "--limit", "0"],
  ["worker", "--replicas", "0"],
  ["worker", "--queue", "orders", "--replicas", "2", "--metrics", "9464"],
  ["worker", "--queue", "orders", "--metrics", "127.0.0.1:70000"],
  ["gateway", "--wait-for-servers", "soon"],
];

for (const args of wrongUsage) {
  test(`wrong usage ends with 64: sluice ${args.join(" ")}`, async () => {
    const { exitCode, stdout, stderr } = await runSluice({ args });
    assert.equal(exitCode, 64);
    assert.equal(stdout, "");
    assert.match(stderr, /^sluice: .+\nSee: sluice .*--help\n$/s);
  });
}

test("a command without its subcommand shows the help and ends with 64", async () => {
  const { exitCode, stderr } = await runSluice({ args: ["dead"] });
  assert.equal(exitCode, 64);
  assert.match(stderr, /^Usage: sluice dead/);
});

test("--wait says that it has taken the file for its duration", async () => {
  const { stderr } = await runSluice({ args: ["send", "-q", "orders", "--wait", "order.json"] });
  assert.match(stderr, /got "order.json"; write --wait last, or --wait=30s/);
});

test("an unreachable server ends with 69 and names the address", async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { exitCode, stderr } = await runSluice({ args: ["queues"], url });
  assert.equal(exitCode, 69);
  assert.match(stderr, new RegExp(`^sluice: no answer from ${url} .*ECONNREFUSED`));
});

test("a server that refuses for now ends with 75", async () => {
  await using gateway = await openScriptedGateway(() => problem(503, "store-unavailable", { retryAfter: "60" }));
  const { exitCode, stderr } = await runSluice({ args: ["queues"], url: gateway.url });
  assert.equal(exitCode, 75);
  assert.equal(stderr, "sluice: refused with store-unavailable (store-unavailable)\n");
});

test("with --json an error is JSON too", async () => {
  await using gateway = await openScriptedGateway(() => problem(404, "unknown-queue"));
  const { exitCode, stdout, stderr } = await runSluice({ args: ["queues", "none", "--json"], url: gateway.url });
  assert.equal(exitCode, 1);
  assert.equal(stdout, "");
  const { error } = JSON.parse(stderr) as { error: Record<string, unknown> };
  assert.deepEqual([error["code"], error["exitCode"], error["status"]], ["unknown-queue", 1, 404]);
});

test("with --json wrong usage is JSON too", async () => {
  const { exitCode, stderr } = await runSluice({ args: ["get", "--json"] });
  assert.equal(exitCode, 64);
  assert.equal((JSON.parse(stderr) as { error: { code: string } }).error.code, "usage");
});

test("--url goes before SLUICE_URL", async () => {
  await using gateway = await openScriptedGateway(() => ({ status: 200, body: { queues: [] } }));
  const { exitCode } = await runSluice({ args: ["queues", "--url", gateway.url], url: "http://127.0.0.1:1" });
  assert.equal(exitCode, 0);
});

test("the API key comes from the environment or a file, and a file that is not there is bad configuration", async () => {
  await using gateway = await openScriptedGateway(() => ({ status: 200, body: { queues: [] } }));
  await runSluice({ args: ["queues"], url: gateway.url, env: { SLUICE_API_KEY: "secret" } });
  assert.equal(gateway.seen[0]?.headers.authorization, "Bearer secret");
  const { exitCode, stderr } = await runSluice({
    args: ["queues"],
    url: gateway.url,
    env: { SLUICE_API_KEY_FILE: "/none" },
  });
  assert.equal(exitCode, 78);
  assert.match(stderr, /SLUICE_API_KEY_FILE .* cannot be used: no such file or directory/);
});
