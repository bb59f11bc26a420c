// The alert rules: what promtool says of them, and a real Prometheus that reads a running Sluice.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runPromtool, startPrometheus, startSluice, temporaryFolder } from "@sluice/testing";
import { parse, stringify } from "yaml";
import { unknownMetrics } from "../checks/unknown-metrics.ts";

const rulesFile = fileURLToPath(new URL("alerts.yaml", import.meta.url));
const testFile = fileURLToPath(new URL("alerts.test.yaml", import.meta.url));

interface Rule {
  readonly alert: string;
  readonly expr: string;
}
interface RulesFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
}

test("each alert fires when it should, and not before", async () => {
  const { exitCode, output } = await runPromtool(["test", "rules", testFile]);
  assert.equal(exitCode, 0, output);
});

test("every alert is tested, firing and silent", () => {
  const { groups } = parse(readFileSync(rulesFile, "utf8")) as RulesFile;
  const { tests } = parse(readFileSync(testFile, "utf8")) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
  };
  const cases = tests.flatMap((one) => one.alert_rule_test);
  for (const { alert } of groups.flatMap(({ rules }) => rules)) {
    const own = cases.filter(({ alertname }) => alertname === alert);
    assert.ok(
      own.some(({ exp_alerts }) => exp_alerts.length > 0),
      `${alert} fires in no test`,
    );
    assert.ok(
      own.some(({ exp_alerts }) => exp_alerts.length === 0),
      `${alert} is silent in no test`,
    );
  }
});

test("the rules read only metrics that there are", () => {
  const { groups } = parse(readFileSync(rulesFile, "utf8")) as RulesFile;
  const expressions = groups.flatMap(({ rules }) => rules.map(({ expr }) => expr));
  assert.deepEqual(unknownMetrics(expressions), []);
  assert.deepEqual(unknownMetrics(["max(sluice_backlogs) > rate(sluice_accepted_total[5m])"]), ["sluice_backlogs"]);
});

test("the example configuration is one that Prometheus takes", async () => {
  const file = fileURLToPath(new URL("prometheus.yaml", import.meta.url));
  const { exitCode, output } = await runPromtool(["check", "config", file]);
  assert.equal(exitCode, 0, output);
});

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
