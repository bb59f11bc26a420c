// An engine whose calls are counted. It changes nothing of what they do, and adds no await that could come between.
import { invariant } from "../core/errors.ts";
import type { Claim, NewRequest, Outcome, Receipt } from "../core/request.ts";
import { observe, type Meter, type Observation } from "../telemetry/meter.ts";
import type { OnCommit } from "./commit.ts";
import type { AuditOptions, AuditReport } from "./audit.ts";
import type { AcceptResult, Carriers, DeliverOptions, Engine, RetryOptions, TransactedWork } from "./engine.ts";
import { LastAudit } from "./last-audit.ts";
import { MeasuredQueue } from "./measured-queue.ts";

/** The same engine, counted by the meter. It goes on to belong to whoever opened it. */
export function measured(engine: Engine, meter: Meter): Engine {
  const { clock } = engine;
  const transact = engine.transact?.bind(engine);
  const queueOf = queuesOf(meter);
  const lastAudit = new LastAudit(clock);
  meter.addObserver(() => lastAudit.observations());
  meter.addObserver(() => carrierInfo(engine.carriers));

  return {
    ...delegateOf(engine),
    accept(requests: readonly NewRequest[]) {
      const startedAt = clock.monotonic();
      const queue = queueOf(requests[0]?.queue ?? "");
      const accepting = engine.accept(requests);
      const count = (result: AcceptResult): void => {
        queue.took("accept", clock.monotonic() - startedAt);
        countAccepted(queueOf, requests, result);
      };
      const countFailed = (error: unknown): void => queue.failed("accept", error, clock.monotonic() - startedAt);
      accepting.then(count, countFailed); // beside the answer: one more promise before it is felt in the intake
      return accepting;
    },
    async deliver(options: DeliverOptions) {
      const deliveries = await engine.deliver(options);
      queueOf(options.queue).consumed.value += deliveries.length;
      return deliveries;
    },
    settle: (claim: Claim, outcome: Outcome) => concluded("settle", claim, () => engine.settle(claim, outcome)),
    retry: (claim: Claim, options: RetryOptions) => concluded("retry", claim, () => engine.retry(claim, options)),
    ...(transact && {
      transact: (claim: Claim, work: TransactedWork) => concluded("transact", claim, () => transact(claim, work)),
    }),
    async audit(options?: Partial<AuditOptions>): Promise<AuditReport> {
      const report = await engine.audit(options);
      lastAudit.note(report);
      return report;
    },
  };

  async function concluded<Result>(
    operation: "settle" | "retry" | "transact",
    claim: Claim,
    call: () => Promise<Result>,
  ): Promise<Result> {
    const startedAt = clock.monotonic();
    const queue = queueOf(claim.queue);
    try {
      const result = await call();
      queue.took(operation, clock.monotonic() - startedAt);
      if (result === "superseded") queue.lateOutcomes.value += 1;
      return result;
    } catch (error) {
      queue.failed(operation, error, clock.monotonic() - startedAt);
      throw error;
    }
  }
}

function carrierInfo(carriers: Carriers | undefined): readonly Observation[] {
  return carriers === undefined ? [] : [observe("sluice.carrier.info", { ...carriers }, 1)];
}

/** Every verb as the engine has it; those that it lacks are lacking. */
function delegateOf(engine: Engine): Engine {
  return {
    clock: engine.clock,
    carriers: engine.carriers,
    accept: engine.accept.bind(engine),
    deliver: engine.deliver.bind(engine),
    settle: engine.settle.bind(engine),
    ...(engine.transact && { transact: engine.transact.bind(engine) }),
    ...(engine.starts && { starts: engine.starts.bind(engine) }),
    retry: engine.retry.bind(engine),
    ...(engine.crashed && { crashed: engine.crashed.bind(engine) }),
    report: engine.report.bind(engine),
    read: engine.read.bind(engine),
    readBody: engine.readBody.bind(engine),
    readResult: engine.readResult.bind(engine),
    readFailures: engine.readFailures.bind(engine),
    deadByError: engine.deadByError.bind(engine),
    list: engine.list.bind(engine),
    backlog: engine.backlog.bind(engine),
    replay: engine.replay.bind(engine),
    replayMany: engine.replayMany.bind(engine),
    cancel: engine.cancel.bind(engine),
    callbacksDue: engine.callbacksDue.bind(engine),
    callbacksTold: engine.callbacksTold.bind(engine),
    pause: engine.pause.bind(engine),
    askReplicas: engine.askReplicas.bind(engine),
    noteActivity: engine.noteActivity.bind(engine),
    listActivity: engine.listActivity.bind(engine),
    audit: engine.audit.bind(engine),
    auditOrder: engine.auditOrder.bind(engine),
    prove: engine.prove.bind(engine),
    lines: engine.lines,
    ...(engine.heal && { heal: engine.heal.bind(engine) }),
    watch: engine.watch.bind(engine),
    attend: engine.attend.bind(engine),
    ...(engine.wasKeyed && { wasKeyed: engine.wasKeyed.bind(engine) }),
    ...(engine.noteKeyed && { noteKeyed: engine.noteKeyed.bind(engine) }),
    health: engine.health.bind(engine),
    close: engine.close.bind(engine),
    [Symbol.asyncDispose]: () => engine.close(),
  };
}

function queuesOf(meter: Meter): (queue: string) => MeasuredQueue {
  const queues = new Map<string, MeasuredQueue>();
  return (name) => {
    const known = queues.get(name);
    if (known !== undefined) return known;
    const queue = new MeasuredQueue(meter, name);
    queues.set(name, queue);
    return queue;
  };
}

function countAccepted(
  queueOf: (queue: string) => MeasuredQueue,
  requests: readonly NewRequest[],
  result: AcceptResult,
): void {
  switch (result.kind) {
    case "accepted":
      for (const receipt of result.receipts) countReceipt(queueOf(receipt.queue), receipt);
      break;
    case "key-reused": {
      const refused = requests[result.index];
      invariant(refused !== undefined, "a refusal names one of the requests");
      queueOf(refused.queue).keysReused.value += 1;
      break;
    }
    case "backlog-full":
    case "group-full":
      break;
    default:
      result satisfies never;
  }
}

function countReceipt(queue: MeasuredQueue, { isReplayed }: Receipt): void {
  queue.sent.value += 1;
  if (isReplayed) queue.repeats.value += 1;
}

/** What an engine tells of its commits goes to the meter. */
export function commitMeter(meter: Meter): OnCommit {
  const histogramsOf = (kind: string) => ({
    batch: meter.histogram("sluice.commit.batch", { kind }),
    duration: meter.histogram("sluice.commit.duration", { kind }),
  });
  const kinds = { accept: histogramsOf("accept"), settle: histogramsOf("settle"), all: histogramsOf("all") };
  return ({ kind, calls, durationMs }) => {
    kinds[kind].batch.record(calls);
    kinds[kind].duration.record(durationMs / 1_000);
  };
}
