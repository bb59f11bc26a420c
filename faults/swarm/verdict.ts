// Whether a swarm run shows what it is for: B went from one to three and back, and nothing was lost on the way. Pure.
import { forbidden, type Figures } from "../checker.ts";
import type { Sample } from "./curve.ts";
import type { DockerEvent } from "./docker-events.ts";

export interface SwarmEvidence {
  readonly bounds: { readonly min: number; readonly max: number };
  /** Of the stack's life between its being ready and its being taken down. */
  readonly events: readonly DockerEvent[];
  readonly workerService: string;
  readonly samples: readonly Sample[];
  readonly figures: Figures;
  /** What the reading back found besides the figures. */
  readonly conclusion: readonly string[];
  /** Messages that RabbitMQ holds at the end. */
  readonly brokerDepth: number;
  /** Of all containers, when the stack was taken down. */
  readonly exitCodes: readonly number[];
}

/** Everything that makes the run red. */
export function judge(evidence: SwarmEvidence): readonly string[] {
  const { figures, conclusion, brokerDepth, exitCodes } = evidence;
  const nonzero = [...forbidden, "doubledEffects", "dead"] as const;
  return [
    ...nonzero.filter((name) => figures[name] !== 0).map((name) => `${name} is ${figures[name]}`),
    ...(figures.accepted === 0 ? ["nothing was accepted: this run proves nothing"] : []),
    ...(figures.starts === figures.accepted ? [] : [startsText(figures)]),
    ...conclusion,
    ...(brokerDepth === 0 ? [] : [`RabbitMQ holds ${brokerDepth} messages after the drain`]),
    ...scalingFindings(evidence),
    ...containerFindings(evidence),
    ...exitCodes
      .filter((code) => code !== 0)
      .map((code) => `a container ended with ${code} when the stack was removed`),
  ];
}

function startsText({ starts, accepted }: Figures): string {
  return `B began ${starts} times for ${accepted} requests: whoever was let go did not finish what it held`;
}

/** The numbers of workers that were asked for, one after the other. */
export function askedPath({ events, workerService, bounds }: SwarmEvidence): readonly number[] {
  const changes = events.filter((event) => event.kind === "scaled").filter(({ service }) => service === workerService);
  return [changes[0]?.from ?? bounds.min, ...changes.map(({ to }) => to)];
}

function scalingFindings(evidence: SwarmEvidence): readonly string[] {
  const { bounds, samples } = evidence;
  const path = askedPath(evidence);
  const top = path.indexOf(Math.max(...path));
  const rises = path.slice(0, top + 1).every((count, index) => index === 0 || count > (path[index - 1] as number));
  const falls = path.slice(top).every((count, index, down) => index === 0 || count < (down[index - 1] as number));
  const ends = path[0] === bounds.min && path[top] === bounds.max && path.at(-1) === bounds.min;
  const most = Math.max(0, ...samples.map(({ workers }) => workers));
  const last = samples.at(-1)?.workers;
  return [
    ...(ends && rises && falls
      ? []
      : [`the autoscaler asked for ${path.join(", ")} workers, not for ${bounds.min}, up to ${bounds.max} and back`]),
    ...(most === bounds.max ? [] : [`at most ${most} workers were present, ${bounds.max} were asked for`]),
    ...(last === bounds.min ? [] : [`${last} workers were present at the end`]),
  ];
}

/** While the stack runs nothing ends but the workers that are let go, and they end in order. */
function containerFindings({ events, workerService, bounds }: SwarmEvidence): readonly string[] {
  const ended = events.filter((event) => event.kind === "ended");
  const letGo = ended.filter(({ service, exitCode }) => service === workerService && exitCode === 0);
  const others = ended.filter((end) => !letGo.includes(end));
  const expected = bounds.max - bounds.min;
  return [
    ...others.map(({ service, exitCode }) => `a container of ${service} ended with ${exitCode}`),
    ...(letGo.length === expected ? [] : [`${letGo.length} workers drained and ended, not ${expected}`]),
    ...events
      .filter(({ kind }) => kind === "unhealthy")
      .map(({ service }) => `a container of ${service} got unhealthy`),
  ];
}
