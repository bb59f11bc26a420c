// The fault run in small. The long one: npm run test:faults
import { deepEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import { runScenario, table } from "./report.ts";
import { scenarios } from "./scenarios/index.ts";

const seed = Number(process.env["SLUICE_TEST_SEED"] ?? Date.now() % 2 ** 31);
const rounds = 2;
/** What others of these show nearly as well, and take long for: the long run has them. */
const leftOut: ReadonlySet<string> = new Set([
  "front-accept-committed",
  "front-effect-made",
  "replay-twice",
  "backlog",
]);

describe(`nothing is lost or doubled (SLUICE_TEST_SEED=${seed})`, { concurrency: 3 }, () => {
  const longestFirst = scenarios.filter(({ name, isLong }) => isLong !== true && !leftOut.has(name)).toReversed();
  for (const scenario of longestFirst) {
    test(`${scenario.name}: ${scenario.fault}`, { timeout: 120_000 }, async (context) => {
      const result = await runScenario(scenario, { engine: "embedded", rounds, seed, isShort: true, isFull: false });
      context.diagnostic(table([result]));
      deepEqual(result.violations, []);
    });
  }
});
