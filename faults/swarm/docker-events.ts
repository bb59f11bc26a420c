// What the Docker Engine tells of the stack, line by line, as `docker events --format '{{json .}}'` prints it.

export type DockerEvent =
  /** Somebody asked for another number of replicas. */
  | { readonly kind: "scaled"; readonly service: string; readonly from: number; readonly to: number }
  | { readonly kind: "healthy"; readonly service: string }
  | { readonly kind: "unhealthy"; readonly service: string }
  /** A container of the service ended. */
  | { readonly kind: "ended"; readonly service: string; readonly exitCode: number };

interface RawEvent {
  readonly Type?: string;
  readonly Action?: string;
  readonly Actor?: { readonly Attributes?: Readonly<Record<string, string>> };
}

/** The arguments of `docker` that follow them. */
export const eventArgs = [
  "events",
  ...["service", "container"].flatMap((type) => ["--filter", `type=${type}`]),
  ...["update", "die", "health_status"].flatMap((event) => ["--filter", `event=${event}`]),
  "--format",
  "{{json .}}",
] as const;

/** The line of a service that was asked for so many replicas. */
export function scaledLine(service: string, to: number): RegExp {
  return new RegExp(`"Type":"service".*"name":"${service}".*"replicas.new":"${to}"`);
}

/** The line of a container that passed its health check for the first time, or again. */
export function healthyLine(service: string): RegExp {
  return new RegExp(`"Action":"health_status: healthy".*"com.docker.swarm.service.name":"${service}"`);
}

/** The line of a container, by its id, that ended. */
export function endedLine(container: string): RegExp {
  return new RegExp(`"Action":"die","Actor":{"ID":"${container}"`);
}

/** Those that tell something; the others are left out. */
export function parseEvents(text: string): readonly DockerEvent[] {
  return text.split("\n").flatMap((line) => parseEvent(line) ?? []);
}

function parseEvent(line: string): DockerEvent | undefined {
  if (!line.startsWith("{")) return undefined;
  const { Type: type, Action: action, Actor: actor } = JSON.parse(line) as RawEvent;
  const attributes = actor?.Attributes ?? {};
  if (type === "service") return scaled(attributes);
  const service = attributes["com.docker.swarm.service.name"];
  if (type !== "container" || service === undefined) return undefined;
  if (action === "health_status: healthy") return { kind: "healthy", service };
  if (action === "health_status: unhealthy") return { kind: "unhealthy", service };
  return action === "die" ? { kind: "ended", service, exitCode: Number(attributes["exitCode"]) } : undefined;
}

function scaled(attributes: Readonly<Record<string, string>>): DockerEvent | undefined {
  const { name, "replicas.old": from, "replicas.new": to } = attributes;
  if (name === undefined || from === undefined || to === undefined) return undefined;
  return { kind: "scaled", service: name, from: Number(from), to: Number(to) };
}
