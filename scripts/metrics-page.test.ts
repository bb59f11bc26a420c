import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { metricsPage, metricsPageFile } from "./metrics-page.ts";

test("the page of the metrics is what its table says: else run node scripts/metrics-page.ts", () => {
  assert.equal(readFileSync(metricsPageFile, "utf8"), metricsPage());
});
