// The alert rules in a real Prometheus that reads a running Sluice.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { startPrometheus, startSluice, temporaryFolder } from "@sluice/testing";
import { parse, stringify } from "yaml";

const rulesFile = new URL("alerts.yaml", import.meta.url);

interface RulesFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly object[] }[];
}

test("a real Prometheus reads a running Sluice, and fires as its target is down", { timeout: 120_000 }, async () => {
  await using folder = await temporaryFolder();
  await using sluice = await startSluice({
    dataFolder: folder.path,
    args: ["--queue", "orders", "--target", "http://127.0.0.1:9/process", "--rate", "100000/h"],
  });
  await using prometheus = await startPrometheus({
    target: sluice.url,
    rules: [await impatientRules(folder.path)],
  });
  await eventually(async () => (await prometheus.query('up{job="sluice"}'))[0]?.value === 1);
  await eventually(async () => (await prometheus.query("sluice_accepted_total"))[0]?.value === 0);
  assert.ok(!(await prometheus.firing()).includes("SluiceStalled"), "it fires while nothing has come");

  const lines = '{"body":{}}\n'.repeat(200);
  const answer = await fetch(`${sluice.url}/v1/queues/orders/batches`, { method: "POST", body: lines });
  assert.equal(answer.status, 202, await answer.text());

  await eventually(async () => (await prometheus.firing()).includes("SluiceStalled"));
  const [stalled] = await prometheus.query("sluice_forecast_stalled_seconds");
  assert.equal(stalled?.metric["reason"], "target-down");
  const [backlog] = await prometheus.query("sum by (queue) (sluice_backlog)");
  assert.equal(backlog?.metric["queue"], "orders");
  assert.equal(backlog.value, 200);
  assert.equal((await prometheus.query("sluice_accepted_total"))[0]?.value, 200);
});

/** The same rules, that wait for a second where they would for minutes. */
async function impatientRules(folder: string): Promise<string> {
  const rules = parse(readFileSync(rulesFile, "utf8")) as RulesFile;
  const groups = rules.groups.map((group) => ({
    ...group,
    rules: group.rules.map((rule) => ({ ...rule, for: "1s" })),
  }));
  const file = join(folder, "impatient.yaml");
  await writeFile(file, stringify({ groups }));
  return file;
}

/** What another process shows only to those who ask. */
async function eventually(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await setTimeout(100);
}
