import assert from "node:assert/strict";
import { test } from "node:test";
import type { Figures } from "../checker.ts";
import type { Sample } from "./curve.ts";
import type { DockerEvent } from "./docker-events.ts";
import { swarmReport } from "./swarm-report.ts";
import { judge, type SwarmEvidence } from "./verdict.ts";

const worker = "sluice_worker";

const figures: Figures = {
  accepted: 60,
  unknown: 1,
  dead: 0,
  starts: 60,
  effects: 60,
  lost: 0,
  doubledOutcomes: 0,
  doubledEffects: 0,
  phantom: 0,
  mismatched: 0,
  refusedWithEffect: 0,
  inversions: 0,
};

const good: SwarmEvidence = {
  bounds: { min: 1, max: 3 },
  workerService: worker,
  events: [...path(1, 3, 2, 1), ended(worker, 0), ended(worker, 0)],
  samples: present(1, 1, 3, 3, 2, 1),
  figures,
  conclusion: [],
  brokerDepth: 0,
  exitCodes: [0, 0, 0, 0, 0, 0],
};

function path(first: number, ...others: readonly number[]): readonly DockerEvent[] {
  return others.map((to, index) => ({
    kind: "scaled",
    service: worker,
    from: [first, ...others][index] as number,
    to,
  }));
}

function ended(service: string, exitCode: number): DockerEvent {
  return { kind: "ended", service, exitCode };
}

function present(...counts: readonly number[]): readonly Sample[] {
  return counts.map((workers, seconds) => ({ seconds, backlog: 0, workers }));
}

test("a run that went up and back, and lost nothing, is good", () => {
  assert.deepEqual(judge(good), []);
  assert.deepEqual(judge({ ...good, events: [...path(1, 2, 3, 1), ended(worker, 0), ended(worker, 0)] }), []);
});

const drained = [ended(worker, 0), ended(worker, 0)];
const bad: readonly (readonly [what: string, change: Partial<SwarmEvidence>, finding: RegExp])[] = [
  ["something lost", { figures: { ...figures, lost: 1 } }, /^lost is 1$/],
  ["a doubled effect", { figures: { ...figures, doubledEffects: 2 } }, /^doubledEffects is 2$/],
  ["a dead request", { figures: { ...figures, dead: 1 } }, /^dead is 1$/],
  ["nothing sent", { figures: { ...figures, accepted: 0, starts: 0 } }, /proves nothing/],
  ["work broken off", { figures: { ...figures, starts: 61 } }, /began 61 times for 60/],
  ["a law that does not hold", { conclusion: ["the audit does not hold"] }, /^the audit does not hold$/],
  ["hints left over", { brokerDepth: 4 }, /holds 4 messages/],
  ["no scaling", { events: drained }, /asked for 1 workers/],
  ["a stop half way up", { events: [...path(1, 2, 1), ...drained] }, /asked for 1, 2, 1 workers/],
  ["no way back", { events: [...path(1, 3, 2), ...drained] }, /asked for 1, 3, 2 workers/],
  ["flapping", { events: [...path(1, 3, 1, 3, 1), ...drained] }, /asked for 1, 3, 1, 3, 1 workers/],
  ["replicas that never came", { samples: present(1, 2, 1) }, /at most 2 workers were present/],
  ["replicas that stayed", { samples: present(1, 3, 2) }, /^2 workers were present at the end$/],
  ["a worker that was killed", { events: [...path(1, 3, 1), ended(worker, 0), ended(worker, 137)] }, /ended with 137/],
  ["a worker too few that ended", { events: [...path(1, 3, 1), ended(worker, 0)] }, /^1 workers drained/],
  ["another that ended", { events: [...good.events, ended("sluice_gateway", 0)] }, /sluice_gateway ended with 0/],
  [
    "a failed health check",
    { events: [...good.events, { kind: "unhealthy", service: "sluice_redis" }] },
    /sluice_redis got unhealthy/,
  ],
  ["a removal that took force", { exitCodes: [0, 137] }, /^a container ended with 137 when/],
];

for (const [what, change, finding] of bad)
  test(`${what} makes the run red`, () => {
    const evidence = { ...good, ...change };
    const findings = judge(evidence);
    assert.ok(
      findings.some((found) => finding.test(found)),
      findings.join("\n"),
    );
    assert.match(swarmReport(evidence, findings), /verdict +RED\n/);
  });

test("the table has the way up and back, and the figures", () => {
  const table = swarmReport(good, []);
  assert.match(table, /^workers asked for +1 → 3 → 2 → 1$/m);
  assert.match(table, /^workers present +1 → 3 → 2 → 1$/m);
  assert.match(table, /^lost +0$/m);
  assert.match(table, /^verdict +ok$/m);
});
