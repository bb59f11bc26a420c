// That the run gives deploy/swarm/stack.yaml all that it asks of whoever deploys it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "@sluice/testing";
import { loadConfigFile } from "../../packages/sluice/src/config/load-file.ts";
import { readAutoscaler } from "../../packages/sluice/src/config/read-settings.ts";
import { bounds, configText, stackEnvironment, stackSecrets } from "./stack.ts";

const stack = readFileSync(new URL("../../deploy/swarm/stack.yaml", import.meta.url), "utf8");
const given = stackEnvironment({ nodeName: "node", socket: "/a.sock", socketGroup: 7, configFile: "/b.ts" });

test("each variable that the stack needs is set, and each that is set is read", () => {
  const needed = [...stack.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name as string);
  assert.ok(needed.length > 0);
  assert.deepEqual(
    needed.filter((name) => given[name] === undefined),
    [],
  );
  assert.deepEqual(
    Object.keys(given).filter((name) => !stack.includes(`\${${name}:`)),
    [],
  );
});

test("each secret that the stack has from outside is made", () => {
  const external = [...stack.matchAll(/\{ external: true, name: (sluice-[\w-]+) \}/g)].map(([, name]) => name);
  assert.deepEqual(new Set(external), new Set(Object.keys(stackSecrets("p"))));
});

test("the configuration is one that Sluice takes, with the bounds that are waited for", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "sluice.config.ts");
  const entry = new URL("../../packages/sluice/src/index.ts", import.meta.url).href;
  await writeFile(file, configText("http://127.0.0.1:9/work").replace('"sluice"', JSON.stringify(entry)));
  const env = { DATABASE_URL: "postgres://a", AMQP_URL: "amqp://a", REDIS_URL: "redis://a" };
  const { queues } = readAutoscaler({ file: await loadConfigFile(file), overrides: {}, env });
  const [{ name, scaling } = assert.fail("it has no queue")] = queues;
  assert.deepEqual([name, scaling.min, scaling.max], ["orders", bounds.min, bounds.max]);
});
