import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runPromtool, temporaryFolder } from "@sluice/testing";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { unknownMetrics } from "../checks/unknown-metrics.ts";

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
  readonly templating: { readonly list: readonly { readonly definition?: string }[] };
}

const dashboard = JSON.parse(readFileSync(new URL("sluice.json", import.meta.url), "utf8")) as Dashboard;
const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

test("the dashboard reads only metrics that there are", () => {
  const definitions = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);
  assert.ok(expressions.length > 15);
  assert.deepEqual(unknownMetrics([...expressions, ...definitions]), []);
});

test("each of its expressions is one that Prometheus understands", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "panels.json");
  const rules = expressions.map((expression, index) => ({
    record: `panel_${index}`,
    expr: expression.replaceAll("$__rate_interval", "5m").replaceAll("$queue", ".*"),
  }));
  await writeFile(file, JSON.stringify({ groups: [{ name: "panels", rules }] }));
  const { exitCode, output } = await runPromtool(["check", "rules", file]);
  assert.equal(exitCode, 0, output);
});
