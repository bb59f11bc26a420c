import { deepEqual, equal, match } from "node:assert/strict";
import { describe, test } from "node:test";
import type { Figures } from "./checker.ts";
import { choiceOf, flagsOf, whyLeftOut } from "./cluster/carriers.ts";
import { failoverColumns } from "./failover/columns.ts";
import { markdown } from "./markdown.ts";
import { bounds, complaints, runScenario, table, type RunOptions } from "./report.ts";
import { SkippedError, type FailoverFigures, type Played, type Scenario } from "./scenario.ts";

const figures: Figures = {
  accepted: 1_500,
  unknown: 2,
  dead: 0,
  starts: 1_510,
  effects: 1_500,
  lost: 0,
  doubledOutcomes: 0,
  doubledEffects: 0,
  phantom: 0,
  mismatched: 0,
  refusedWithEffect: 0,
  inversions: 0,
};
const sound: Played = { trials: 3, hits: 3, figures, areEffectsOnce: true, violations: [], notes: ["measured so"] };
const failover: FailoverFigures = {
  recoveries: [
    { stepMs: 310, firstReceiptMs: 1_200, everyReceiptMs: 1_900 },
    { stepMs: 200, firstReceiptMs: 420, everyReceiptMs: 500 },
    { stepMs: 350, firstReceiptMs: 400, everyReceiptMs: 600 },
  ],
  extraStarts: 2,
  startedThrice: 0,
  audit: "names 67 of 67",
};
const options: RunOptions = { engine: "cluster", rounds: 3, seed: 1, isShort: false, isFull: false };

function playing(played: Partial<Played>): Scenario {
  const scenario = { name: "kill-it", numbers: "4", fault: "killed | somewhere", isKill: true } as const;
  return { ...scenario, play: () => Promise.resolve({ ...sound, ...played }) };
}

describe("a run", () => {
  for (const [what, played, complaint] of [
    ["in which something was lost", { figures: { ...figures, lost: 1 } }, "lost is 1"],
    ["in which an effect was doubled", { figures: { ...figures, doubledEffects: 1 } }, "doubledEffects is 1"],
    ["whose fault never hit", { hits: 0 }, "the fault never hit: this run proves nothing"],
    ["in which something else was wrong", { violations: ["it sulked"] }, "it sulked"],
  ] as const) {
    test(`${what} is red`, async () => {
      const result = await runScenario(playing(played), options);
      deepEqual(result.violations, [complaint]);
      equal(complaints([result]), `RED kill-it (cluster): ${complaint}`);
      match(table([result]), / RED/);
    });
  }

  test("that is a negative control must lose, and counts for nothing", async () => {
    const control = (lost: number): Scenario => ({
      ...playing({ figures: { ...figures, lost }, failover }),
      isLossMeant: true,
    });
    const [kept, lost] = [await runScenario(control(0), options), await runScenario(control(67), options)];
    deepEqual(kept.violations, ["nothing was lost: the other scenarios prove nothing"]);
    deepEqual(lost.violations, []);
    deepEqual(bounds([lost]), []);
    match(table([lost], failoverColumns), / 67 \(must\) .* 0\.31 s .* 0\.42 s .* 1\.20 s .* names 67 of 67 .* ok/);
  });

  test("that leaves a scenario out says so and why, in each table", async () => {
    const why = whyLeftOut(["rabbitmq"], { rabbitmq: false, redis: true }) ?? "";
    const scenario: Scenario = {
      ...playing({}),
      play() {
        throw new SkippedError(why);
      },
    };
    const results = [await runScenario(scenario, options), await runScenario(playing({}), options)];
    const left = "left out: it is about RabbitMQ, which this run is without";
    match(table(results), new RegExp(`^kill-it +${left}$`, "m"));
    match(
      markdown(results, "npm run test:faults"),
      new RegExp(`^\\| killed \\\\\\| somewhere \\| .*\\| ${left} \\|$`, "m"),
    );
    deepEqual(results[0]?.violations, []);
  });

  test("is without the servers that it was told to leave out", () => {
    deepEqual(choiceOf("rabbitmq"), { rabbitmq: false, redis: true });
    deepEqual(choiceOf("redis,rabbitmq"), { rabbitmq: false, redis: false });
    deepEqual([choiceOf("rabbit"), choiceOf(""), choiceOf("constructor")], [undefined, undefined, undefined]);
    deepEqual(flagsOf({ rabbitmq: false, redis: false }), ["--without", "rabbitmq,redis"]);
    deepEqual(flagsOf({ rabbitmq: true, redis: true }), []);
    equal(whyLeftOut(["redis"], { rabbitmq: false, redis: true }), undefined);
  });

  test("shows as a row of each table, with its notes and what it is worth for its engine", async () => {
    const results = [
      await runScenario(playing({}), options),
      await runScenario(playing({}), { ...options, engine: "embedded" }),
    ];
    deepEqual(bounds(results), [
      "cluster: n = 3 kills; without a failure, fewer than 3/n = 100 % of them fail (95 %).",
      "cluster: n = 1,500 accepted requests; without a failure, fewer than 3/n = 0.2 % of them fail (95 %).",
      "embedded: n = 3 kills; without a failure, fewer than 3/n = 100 % of them fail (95 %).",
      "embedded: n = 1,500 accepted requests; without a failure, fewer than 3/n = 0.2 % of them fail (95 %).",
    ]);
    const text = markdown(results, "npm run test:faults");
    match(text, /^From `npm run test:faults`:\n\n\| fault \| engine \| trials /);
    match(text, /\| killed \\\| somewhere \| embedded \| 3 \| 3 \| 1,500 \| 2 \| 1,510 \| 0 \| 0 \| 0 \| 0 \| 0 s \|/);
    match(text, /- kill-it, cluster: measured so/);
    match(table(results), /cluster kill-it: measured so/);
  });
});
