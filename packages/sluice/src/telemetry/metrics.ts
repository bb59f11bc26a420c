// Every metric of Sluice: its name, kind, unit, labels and meaning. docs/reference/metrics.md is made of this table.
// Names of OpenTelemetry's conventions where those have one. No label ever holds an id, a key or anything a client chose, but for
// the names of the largest groups.

interface Definition {
  /**
   * `counter`: only rises, counted by this process. `total`: rises, read from the store when asked for, so that every
   * process tells the same. `gauge`: is what it is at the moment. `histogram`: counts by size.
   */
  readonly kind: "counter" | "total" | "gauge" | "histogram";
  /** By UCUM, as OpenTelemetry has it: `s`, `By`, `1`, or a thing in braces. */
  readonly unit: string;
  readonly labels: readonly string[];
  readonly meaning: string;
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly bounds?: readonly number[];
}

/** As the conventions advise for durations in seconds. */
const secondsBounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** An attempt may take minutes, and an answer that is held open too. */
const longSecondsBounds = [...secondsBounds, 30, 60, 300];
/** A commit takes milliseconds. */
const commitSecondsBounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const batchBounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

const messaging = ["messaging.system", "messaging.destination.name", "messaging.operation.name"] as const;

export const metrics = {
  "http.server.request.duration": {
    kind: "histogram",
    unit: "s",
    labels: ["http.request.method", "http.route", "http.response.status_code"],
    meaning: "Requests that the gateway answered. The route is its template; an answer that is held open counts whole.",
    bounds: longSecondsBounds,
  },
  "messaging.client.sent.messages": {
    kind: "counter",
    unit: "{message}",
    labels: [...messaging],
    meaning: "Requests that this process handed to the engine and that are durable, repeats of a key included.",
  },
  "messaging.client.consumed.messages": {
    kind: "counter",
    unit: "{message}",
    labels: [...messaging],
    meaning: "Deliveries that workers of this process claimed.",
  },
  "messaging.client.operation.duration": {
    kind: "histogram",
    unit: "s",
    labels: [...messaging, "error.type"],
    meaning:
      "Calls to the engine: accept is a client's request until it is durable, settle an outcome until it is, retry a " +
      "delivery until it is put back, transact a handler and its outcome in one transaction. The error is the code of the refusal, or empty.",
    bounds: commitSecondsBounds,
  },
  "messaging.process.duration": {
    kind: "histogram",
    unit: "s",
    labels: [...messaging, "error.type"],
    meaning:
      "Attempts by workers of this process: the run of the handler, or the target's answer. The error is its kind. " +
      "A sluice worker has them on its own page (--metrics); the processes of up --processes send them by OTLP alone.",
    bounds: longSecondsBounds,
  },
  "sluice.accepted": {
    kind: "total",
    unit: "{request}",
    labels: ["queue"],
    meaning: "Requests ever accepted, by the store.",
  },
  "sluice.backlog": {
    kind: "gauge",
    unit: "{request}",
    labels: ["queue", "state"],
    meaning: "Accepted requests without an outcome: waiting, scheduled or running.",
  },
  "sluice.deliveries": {
    kind: "gauge",
    unit: "{request}",
    labels: ["queue", "phase"],
    meaning:
      "What is running of a backlog, as the workers see it: claimed ahead and not begun; running, with a handler under way, at " +
      "most the concurrency of each worker; committing, with an attempt that has ended and is being stored.",
  },
  "sluice.concurrency.limit": {
    kind: "gauge",
    unit: "{attempt}",
    labels: ["queue"],
    meaning:
      "Attempts at once that the worker of this process found its target able to work on; only for queues with auto. The " +
      "probes around it, a few percent more or less, are not shown.",
  },
  "sluice.backlog.size": {
    kind: "gauge",
    unit: "By",
    labels: ["queue"],
    meaning: "Bytes of the bodies in the backlog.",
  },
  "sluice.outcomes": {
    kind: "gauge",
    unit: "{request}",
    labels: ["queue", "state"],
    meaning: "Requests that are done, dead or cancelled. A replay takes its request out of the dead ones.",
  },
  "sluice.oldest.age": {
    kind: "gauge",
    unit: "s",
    labels: ["queue"],
    meaning: "How long the longest waiting request has waited; 0 when none waits.",
  },
  "sluice.oldest.age.goal": {
    kind: "gauge",
    unit: "s",
    labels: ["queue"],
    meaning: "How long a request of the queue is to wait at most: maxWait of its scaling.",
  },
  "sluice.forecast.drain": {
    kind: "gauge",
    unit: "s",
    labels: ["queue"],
    meaning:
      "In how long the backlog will be empty at the present rates; 0 when it is, absent while it grows or is stalled.",
  },
  "sluice.forecast.growth": {
    kind: "gauge",
    unit: "{request}",
    labels: ["queue"],
    meaning:
      "By how many requests a minute the backlog has grown for two minutes at least; 0 while it does not, or by too little to tell.",
  },
  "sluice.forecast.stalled": {
    kind: "gauge",
    unit: "s",
    labels: ["queue", "reason"],
    meaning:
      "For how long nothing of a backlog has been delivered: paused, target-down (the breakers of all workers are open) or " +
      "no-workers; or nothing of it finished: nothing-finishes. Absent otherwise, and while nothing waits.",
  },
  "sluice.paused": {
    kind: "gauge",
    unit: "1",
    labels: ["queue"],
    meaning: "1 while deliveries of the queue are paused, else 0.",
  },
  "sluice.workers": {
    kind: "gauge",
    unit: "{worker}",
    labels: ["queue"],
    meaning: "Workers present for the queue, in all processes.",
  },
  "sluice.desired.replicas": {
    kind: "gauge",
    unit: "{replica}",
    labels: ["queue"],
    meaning:
      "How many replicas of its worker a queue should have, by its scaling: as at /v1/queues/{queue}/scaling, for an autoscaler " +
      "that follows Prometheus. Of several gateways the highest goes.",
  },
  "sluice.breaker.open": {
    kind: "gauge",
    unit: "{worker}",
    labels: ["queue"],
    meaning:
      "Workers, in all processes, that deliver nothing of the queue: its target is out, or they lack a resource of their own.",
  },
  "sluice.group.backlog": {
    kind: "gauge",
    unit: "{request}",
    labels: ["queue", "group"],
    meaning:
      "Accepted requests without an outcome, of the ten largest groups of each queue. Senders choose the names. This and the next two " +
      "are read once in 15 seconds, and are absent for queues without groups and order keys.",
  },
  "sluice.group.in.flight": {
    kind: "gauge",
    unit: "{request}",
    labels: ["queue", "group"],
    meaning: "Of these, the requests that are delivered.",
  },
  "sluice.held.order.keys": {
    kind: "gauge",
    unit: "{key}",
    labels: ["queue"],
    meaning: "Order keys that a dead request holds, counted up to 1,000.",
  },
  "sluice.duplicates.refused": {
    kind: "counter",
    unit: "{request}",
    labels: ["queue", "kind"],
    meaning:
      "What came twice. repeat: an accepted key with the same body, answered with its receipt; key-reused: with another " +
      "body, refused; outcome: a second outcome, or one of a claim that had moved on, refused.",
  },
  "sluice.front.refused": {
    kind: "counter",
    unit: "{request}",
    labels: ["route", "reason"],
    meaning:
      "Requests to the front whose sender was not verified, by route: missing, malformed, mismatch, or expired. The activity " +
      "log has lines about them.",
  },
  "sluice.audit.missing": {
    kind: "gauge",
    unit: "{request}",
    labels: ["queue"],
    meaning:
      "Accepted requests that no state accounts for, by the last audit; absent before it. While somebody reads the metrics " +
      "a gateway makes one every minute, or a hundred times as long as it takes.",
  },
  "sluice.audit.holds": {
    kind: "gauge",
    unit: "1",
    labels: [],
    meaning: "1 if the law held at the last audit of this process, 0 if not; absent before the first.",
  },
  "sluice.audit.age": {
    kind: "gauge",
    unit: "s",
    labels: [],
    meaning: "How long ago this process made an audit last; absent before the first.",
  },
  "sluice.ready": {
    kind: "gauge",
    unit: "1",
    labels: [],
    meaning: "1 while this gateway takes new work, else 0: it answers 503.",
  },
  "sluice.problem": {
    kind: "gauge",
    unit: "1",
    labels: ["code"],
    meaning: "1 for each thing that is out, by the code that /readyz has for it; absent while nothing is.",
  },
  "sluice.carrier.info": {
    kind: "gauge",
    unit: "1",
    labels: ["hints", "notices"],
    meaning:
      "1, with what carries the hints of this process (rabbitmq or postgres) and what carries its notices and shared rates " +
      "(redis or postgres); absent outside a cluster.",
  },
  "sluice.commit.batch": {
    kind: "histogram",
    unit: "{call}",
    labels: ["kind"],
    meaning:
      "Calls that shared one commit of the store. The kind is accept or settle where each has its own, all where they share.",
    bounds: batchBounds,
  },
  "sluice.commit.duration": {
    kind: "histogram",
    unit: "s",
    labels: ["kind"],
    meaning: "How long a commit of the store took, with all that it holds.",
    bounds: commitSecondsBounds,
  },
  "sluice.spool.requests": {
    kind: "gauge",
    unit: "{request}",
    labels: [],
    meaning: "Requests in this gateway's spool that the ledger does not have yet. Only where a spool is set.",
  },
  "sluice.spool.size": {
    kind: "gauge",
    unit: "By",
    labels: [],
    meaning:
      "What this gateway's spool holds, of the size that it may have. It is emptied when all of it is forwarded.",
  },
  "sluice.spool.forwarded": {
    kind: "counter",
    unit: "{request}",
    labels: [],
    meaning: "Requests that this gateway has forwarded from its spool to the ledger.",
  },
  "sluice.autoscaler.decisions": {
    kind: "counter",
    unit: "{decision}",
    labels: ["platform", "queue", "change"],
    meaning: "Looks of the autoscaler in this process by what came of them: added, let-go or stay.",
  },
  "sluice.autoscaler.replicas": {
    kind: "gauge",
    unit: "{replica}",
    labels: ["platform"],
    meaning: "Replicas that the autoscaler in this process decided on last.",
  },
  "sluice.autoscaler.failing": {
    kind: "gauge",
    unit: "1",
    labels: ["platform"],
    meaning:
      "1 while the autoscaler in this process cannot scale, since the platform or the ledger refuses it, else 0.",
  },
} as const satisfies Readonly<Record<string, Definition>>;

export type MetricName = keyof typeof metrics;
export type MetricDefinition = Definition;
type NameOf<Kind extends Definition["kind"]> = {
  [Name in MetricName]: (typeof metrics)[Name]["kind"] extends Kind ? Name : never;
}[MetricName];
export type CounterName = NameOf<"counter">;
export type HistogramName = NameOf<"histogram">;
export type GaugeName = NameOf<"gauge" | "total">;

/** A value for each label of a metric. */
export type LabelsOf<Name extends MetricName> = Readonly<Record<(typeof metrics)[Name]["labels"][number], string>>;

export function definitionOf(name: MetricName): MetricDefinition {
  return metrics[name];
}

/** The name on the page for Prometheus, by OpenTelemetry's rules: the unit in words, `_total` for what only rises. */
export function prometheusName(name: MetricName): string {
  const { kind, unit } = definitionOf(name);
  const suffix = unit === "s" ? "_seconds" : unit === "By" ? "_bytes" : "";
  const total = kind === "counter" || kind === "total" ? "_total" : "";
  return `${name.replaceAll(".", "_")}${suffix}${total}`;
}
