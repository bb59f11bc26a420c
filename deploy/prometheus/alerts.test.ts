// The alert rules: what promtool says of them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runPromtool } from "@sluice/testing";
import { parse } from "yaml";
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
