// The failover run in small: one failover, and the negative control that shows that a loss would be seen. The long one:
// npm run test:failover
import { deepEqual } from "node:assert/strict";
import { describe, test } from "node:test";
import { Servers } from "../cluster/servers.ts";
import { runScenario, table } from "../report.ts";
import { failoverColumns } from "./columns.ts";
import { failovers } from "./scenarios/index.ts";

const seed = Number(process.env["SLUICE_TEST_SEED"] ?? Date.now() % 2 ** 31);

describe(`a failover loses nothing that had a receipt (SLUICE_TEST_SEED=${seed})`, () => {
  for (const { play, needs: _needs, ...scenario } of failovers.filter(({ name }) =>
    ["kill", "asynchronous"].includes(name),
  )) {
    test(`${scenario.name}: ${scenario.fault}`, { timeout: 280_000 }, async (context) => {
      await using servers = await Servers.open();
      const result = await runScenario(
        {
          ...scenario,
          numbers: "",
          play: (options) => play({ ...options, servers, front: undefined, logFolder: undefined, isNetworkOwn: false }),
        },
        { engine: "cluster", rounds: 1, seed, isShort: true, isFull: false },
      );
      context.diagnostic(table([result], failoverColumns));
      deepEqual(result.violations, []);
    });
  }
});
