// The whole of it as a user has it: `sluice up` with a configuration file, and every command against it.
import assert from "node:assert/strict";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startSluice, temporaryFolder } from "@sluice/testing";
import type { WireAudit, WireQueue, WireReplayAnswer, WireRequest, WireRequestList } from "@sluice/client";
import { runSluice, type Ended } from "../../test/run-sluice.ts";

const sluiceEntry = new URL("../index.ts", import.meta.url).href;

/** Negative numbers are dead at once, until the file named "mended" is there. */
const config = `
import { existsSync } from "node:fs";
import { defineConfig, Reject } from ${JSON.stringify(sluiceEntry)};

export default defineConfig({
  queues: {
    numbers: {
      async handle(request) {
        const number = request.json();
        setInterval(() => {}, 60_000); // left behind, as connections are
        if (number < 0 && !existsSync(new URL("mended", import.meta.url))) throw new Reject("below zero");
        return { double: number * 2 };
      },
    },
  },
});
`;

const goodCount = 1_500;

test("send, get, queues, dead, audit and a graceful end against a real server", { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  const configFile = join(folder.path, "sluice.config.ts");
  await writeFile(configFile, config);
  await using server = await startSluice({ dataFolder: join(folder.path, "data"), configFile });
  const sluice = (args: readonly string[], input?: string): Promise<Ended> =>
    runSluice({ args, url: server.url, ...(input !== undefined && { input }) });
  const read = async (args: readonly string[]): Promise<unknown> =>
    JSON.parse((await sluice([...args, "--json"])).stdout);

  // send: NDJSON twice, the second time nothing is accepted anew
  const file = join(folder.path, "numbers.ndjson");
  const lines = Array.from({ length: goodCount }, (_, at) => `{"body":${at}}\n`);
  await writeFile(file, `${lines.join("")}{"key":"bad","body":-1}\n`);
  const sent = await sluice(["send", "-q", "numbers", file]);
  assert.match(sent.stderr, /^accepted 1,501, in /);
  const again = await sluice(["send", "-q", "numbers", file]);
  assert.match(again.stderr, /^accepted 1,501, 1,501 of them before this run/);

  // send --wait, get --wait
  assert.deepEqual(await sluice(["send", "-q", "numbers", "--wait"], "21"), {
    exitCode: 0,
    stdout: '{"double":42}',
    stderr: "",
  });
  const id = (await sluice(["send", "-q", "numbers"], "4")).stdout.trim();
  assert.equal((await sluice(["get", id, "--wait=60s", "--result"])).stdout, '{"double":8}');
  assert.equal((await sluice(["get", id, "--body"])).stdout, "4");
  assert.equal(((await read(["get", id])) as WireRequest).state, "done");

  // dead: list, show, dry run, replay
  const { requests } = (await read(["dead", "list", "--queue", "numbers"])) as WireRequestList;
  assert.deepEqual(
    requests.map(({ key, lastError }) => [key, lastError?.code]),
    [["bad", "rejected"]],
  );
  const deadId = requests[0]?.id as string;
  assert.match((await sluice(["dead", "show", deadId])).stdout, /last error +rejected: below zero/);
  const refused = await sluice(["get", deadId, "--result"]);
  assert.equal(refused.exitCode, 1);
  assert.match(refused.stderr, /below zero \(rejected\)/);
  const order = ["dead", "replay", "--queue", "numbers", "--error", "rejected"];
  assert.equal(((await read([...order, "--dry-run"])) as WireReplayAnswer).matched, 1);
  await writeFile(join(folder.path, "mended"), "");
  assert.equal(((await read(order)) as WireReplayAnswer).replayed, 1);
  assert.equal((await sluice(["get", deadId, "--wait=60s", "--result"])).stdout, '{"double":-2}');
  assert.equal((await sluice(["dead", "replay", deadId])).exitCode, 1);

  // queues and audit
  const queue = (await read(["queues", "numbers"])) as WireQueue;
  assert.equal(queue.accepted, goodCount + 3);
  assert.equal(queue.counts.dead, 0);
  const audit = (await read(["audit"])) as WireAudit;
  assert.equal(audit.holds, true);
  assert.equal(audit.queues[0]?.accepted, goodCount + 3);
  assert.match((await sluice(["audit"])).stdout, /The law holds/);

  server.kill("SIGTERM");
  assert.deepEqual(await server.exited, { code: 0, signal: null });
  assert.equal((await sluice(["queues"])).exitCode, 69);
});

test("what init writes is served as it is", { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  await runSluice({ args: ["init"], cwd: folder.path });
  await mkdir(join(folder.path, "node_modules"));
  await symlink(fileURLToPath(new URL("../..", import.meta.url)), join(folder.path, "node_modules", "sluice"));
  const configFile = join(folder.path, "sluice.config.ts");
  await using server = await startSluice({ dataFolder: join(folder.path, "data"), configFile });
  const order = (body: string) => runSluice({ args: ["send", "-q", "orders", "--wait"], url: server.url, input: body });
  assert.equal((await order('{"sku":7,"quantity":2}')).stdout, '{"sku":7,"total":12}');
  assert.match((await order('{"sku":"seven"}')).stderr, /an order has a sku and a quantity \(rejected\)/);
});
