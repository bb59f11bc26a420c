// The fault run in small. The long one: npm run test:faults
import { deepEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import { runScenario, table } from "./report.ts";
import { scenarios } from "./scenarios/index.ts";

const seed = Number(process.env["SLUICE_TEST_SEED"] ?? Date.now() % 2 ** 31);
const rounds = 2;

describe(`nothing is lost or doubled (SLUICE_TEST_SEED=${seed})`, { concurrency: 3 }, () => {
  const longestFirst = scenarios.filter(({ isLong }) => isLong !== true).toReversed();
  for (const scenario of longestFirst) {
    test(`${scenario.name}: ${scenario.fault}`, { timeout: 120_000 }, async (context) => {
      const result = await runScenario(scenario, { engine: "embedded", rounds, seed, isShort: true, isFull: false });
      context.diagnostic(table([result]));
      deepEqual(result.violations, []);
    });
  }
});
