import { sluiceCommand, startChild } from "@sluice/testing";
import { scaling, type BurstShape } from "./burst-shape.ts";

/** The most replicas at once that `sluice plan` says of the burst, where one finishes so many an hour. */
export async function plannedReplicas(
  { requests, withinSeconds }: BurstShape,
  perReplicaPerHour: number,
): Promise<number> {
  const arrivals = `${Math.round((requests * 3_600) / withinSeconds)}/h for ${withinSeconds}s`;
  const { min, max, maxWait, hold } = scaling;
  const goal = ["--min", String(min), "--replicas", String(max), "--max-wait", maxWait, "--hold", hold];
  const service = `${Math.round(perReplicaPerHour)}/h`;
  const args = ["plan", "--arrivals", arrivals, "--service", service, "--autoscale", ...goal, "--json"];
  await using plan = await startChild({ command: process.execPath, args: [sluiceCommand, ...args] });
  const { code } = await plan.exited;
  if (code !== 0) throw new Error(`sluice ${args.join(" ")} ended with ${code}: ${plan.output()}`);
  const { runs } = JSON.parse(plan.output()) as { readonly runs: readonly { readonly replicas: number }[] };
  return runs[0]?.replicas ?? 0;
}
