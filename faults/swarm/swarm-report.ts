// The closing table of a swarm run.
import { askedPath, type SwarmEvidence } from "./verdict.ts";

export function swarmReport(evidence: SwarmEvidence, violations: readonly string[]): string {
  const { figures, samples, brokerDepth, exitCodes } = evidence;
  const rows: readonly (readonly [string, string | number])[] = [
    ["workers asked for", askedPath(evidence).join(" → ")],
    ["workers present", presentPath(samples.map(({ workers }) => workers)).join(" → ")],
    ["backlog at its peak", Math.max(0, ...samples.map(({ backlog }) => backlog))],
    ["accepted", figures.accepted],
    ["unknown", figures.unknown],
    ["starts", figures.starts],
    ["effects", figures.effects],
    ["dead", figures.dead],
    ["lost", figures.lost],
    ["doubled outcomes", figures.doubledOutcomes],
    ["doubled effects", figures.doubledEffects],
    ["phantom", figures.phantom],
    ["mismatch", figures.mismatched + figures.refusedWithEffect],
    ["left in RabbitMQ", brokerDepth],
    ["exit codes at the end", exitCodes.join(" ")],
    ["verdict", violations.length === 0 ? "ok" : "RED"],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  return [...lines, ...violations.map((violation) => `RED ${violation}`)].join("\n");
}

/** Without what stays as it is. */
function presentPath(counts: readonly number[]): readonly number[] {
  return counts.filter((count, index) => count !== counts[index - 1]);
}
