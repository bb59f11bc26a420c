// What the gateway knows of the queues. Reading them costs the engine a query, so intake uses what was
// read within the last moment; who asks for a queue itself gets a fresh reading.
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/errors.ts";
import { FinishEstimate, type FinishBounds, type LineReading } from "../core/finish-estimate.ts";
import type { RequestId } from "../core/request-id.ts";
import { isFinal, type Receipt, type RequestStatus } from "../core/request.ts";
import type { QueueStatus, Reads } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import { expectedBy, isStopped, isTried, retryAfterSeconds, soonMs, unusedQueue, viewOfQueue } from "./queue-view.ts";
import type { QueueView } from "./schemas.ts";

const freshMs = 200;
/** Nobody waits longer for a reading: the one before has to do. */
const readingMsMax = 100;
/** Receipts of each queue that one reading looks at. */
const looksMax = 8;

export interface QueueViewsOptions {
  readonly engine: Reads;
  readonly clock: Clock;
  readonly log: Logger;
  /** Those that are configured. */
  readonly queues: ReadonlyMap<string, FinishBounds>;
}

/** What one that arrives in a queue now may expect. */
export interface Expectation {
  /** The forecast in seconds, as the header has it. */
  readonly retryAfter: string;
  readonly isStopped: boolean;
  readonly oldestWaitingAt: number | undefined;
}

interface Known extends Expectation {
  /** By the monotonic clock. */
  readonly readAt: number;
}

const noExpectation: Expectation = { retryAfter: "1", isStopped: false, oldestWaitingAt: undefined };

export class QueueViews {
  readonly #options: QueueViewsOptions;
  readonly #known = new Map<string, Known>();
  readonly #estimates = new Map<string, FinishEstimate>();
  /** Under way, by the queue; of all queues under the empty name, which no queue has. */
  readonly #readings = new Map<string, Promise<void>>();
  readonly #lookings = new Map<string, Promise<void>>();
  /** Why the last reading failed: told once. */
  #failure = "";

  constructor(options: QueueViewsOptions) {
    this.#options = options;
  }

  /** Every queue, configured or only known to the store. */
  async readAll(): Promise<readonly QueueView[]> {
    return (await this.readStatuses()).map((status) => this.viewOf(status));
  }

  async readOne(name: string): Promise<QueueView | undefined> {
    const status = await this.readStatus(name);
    return status && this.viewOf(status);
  }

  async readStatus(name: string): Promise<QueueStatus | undefined> {
    const { engine, queues } = this.#options;
    const [stored] = await engine.backlog(name);
    const status = stored ?? (queues.has(name) ? unusedQueue(name) : undefined);
    if (status !== undefined) this.#note(status);
    return status;
  }

  /** Every queue, as the engine tells it. */
  async readStatuses(): Promise<readonly QueueStatus[]> {
    const { engine, queues } = this.#options;
    const stored = await engine.backlog();
    const names = new Set(stored.map(({ queue }) => queue));
    const unused = [...queues.keys()].filter((name) => !names.has(name)).map(unusedQueue);
    const statuses = [...stored, ...unused].sort((a, b) => (a.queue < b.queue ? -1 : 1));
    for (const status of statuses) this.#note(status);
    return statuses;
  }

  viewOf(status: QueueStatus): QueueView {
    const { clock, queues } = this.#options;
    const estimate = this.#estimateOf(status.queue);
    const { capacityPerMs } = estimate;
    return viewOfQueue(status, {
      now: clock.now(),
      ratePerHour: queues.get(status.queue)?.ratePerHour,
      capacityPerHour: capacityPerMs && capacityPerMs * 3_600_000,
      standstill: estimate.standstill(clock.monotonic()),
    });
  }

  /**
   * Starts a reading of a queue when the last one is old, and waits for it a moment; undefined when it is not, or a new one is under
   * way. It costs no more where there are many queues. Never rejects.
   */
  freshen(queue: string): Promise<void> | undefined {
    return this.#isFresh(queue) ? undefined : this.#freshenBy(queue, [queue], () => this.readStatus(queue));
  }

  /** As `freshen`, for each of them. */
  freshenAll(queues: ReadonlySet<string>): Promise<void> | undefined {
    const stale = [...queues].filter((queue) => !this.#isFresh(queue));
    const [one] = stale;
    if (stale.length > 1) return this.#freshenBy("", stale, () => this.readStatuses());
    return one === undefined ? undefined : this.freshen(one);
  }

  /** By the last reading. */
  expectation(queue: string): Expectation {
    return this.#known.get(queue) ?? noExpectation;
  }

  /** When a request should be finished, in milliseconds since 1970. */
  expectedBy(request: RequestStatus | Receipt): number | undefined {
    const { isStopped: isNever, oldestWaitingAt } = this.expectation(request.queue);
    if (isNever && request.state !== "running") return undefined;
    const estimate = this.#estimateOf(request.queue);
    const at = this.#options.clock.monotonic();
    const withinMs = (share: number): number | undefined => {
      const predictedMs = estimate.predictMs(share, at);
      return predictedMs && estimate.promiseMs(predictedMs);
    };
    const progressing = { startedAt: undefined, nextAttemptAt: undefined, ...request };
    const expected = expectedBy(progressing, { now: this.#options.clock.now(), oldestWaitingAt, withinMs });
    return expected === undefined ? undefined : Math.max(expected, notBeforeOf(request));
  }

  /** The same of a request that was accepted just now, at the end of the line; of one that was known, where it is by now. */
  promise(receipt: Receipt): number | undefined {
    // What is not to begin yet is not at the end of the line, and its time tells nothing of the line.
    if (receipt.isReplayed || notBeforeOf(receipt) > receipt.acceptedAt) return this.expectedBy(receipt);
    if (this.expectation(receipt.queue).isStopped) return undefined;
    const { queue, id, acceptedAt } = receipt;
    const withinMs = this.#estimateOf(queue).promiseNext(id, acceptedAt, this.#options.clock.monotonic());
    return withinMs && Math.ceil(acceptedAt + withinMs);
  }

  /** Waits for the readings under way. */
  async close(): Promise<void> {
    await Promise.all(this.#readings.values());
    await Promise.all(this.#lookings.values());
  }

  #isFresh(queue: string): boolean {
    const known = this.#known.get(queue);
    return known !== undefined && this.#options.clock.monotonic() - known.readAt < freshMs;
  }

  #freshenBy(name: string, queues: readonly string[], read: () => Promise<unknown>): Promise<void> | undefined {
    if (this.#readings.has(name)) return undefined;
    const reading = this.#readSafely(name, queues, read).finally(() => this.#readings.delete(name));
    this.#readings.set(name, reading);
    return atMost(reading, readingMsMax);
  }

  async #readSafely(name: string, queues: readonly string[], read: () => Promise<unknown>): Promise<void> {
    try {
      await read();
      this.#failure = "";
      if (!this.#lookings.has(name)) {
        const looking = this.#look(name).finally(() => this.#lookings.delete(name));
        this.#lookings.set(name, looking);
      }
    } catch (error) {
      const readAt = this.#options.clock.monotonic(); // the next try comes after a while
      for (const queue of queues) this.#known.set(queue, { ...this.expectation(queue), readAt });
      const failure = messageOf(error);
      if (failure !== this.#failure)
        this.#options.log.warn({ err: error }, "the queues cannot be read: forecasts stay as they were");
      this.#failure = failure;
    }
  }

  /** What became of requests that were promised a time. Beside the intake: nobody waits for it. */
  async #look(queue: string): Promise<void> {
    const { engine, clock } = this.#options;
    for (const estimate of queue === "" ? this.#estimates.values() : [this.#estimateOf(queue)]) {
      const due = estimate.due(clock.monotonic(), looksMax);
      await Promise.all(due.map((id) => look(id, { engine, estimate, clock })));
    }
  }

  #note(status: QueueStatus): void {
    const { clock } = this.#options;
    const [at, now] = [clock.monotonic(), clock.now()];
    this.#estimateOf(status.queue).read(lineOf(status, { at, now }));
    this.#known.set(status.queue, { ...this.#expectationOf(status), readAt: at });
  }

  #expectationOf(status: QueueStatus): Expectation {
    const isIdle = status.backlog === 0 && !isStopped(status);
    const predictedMs = isStopped(status)
      ? undefined
      : estimateWait(this.#estimateOf(status.queue), this.#options.clock);
    const retryAfter = isIdle ? "1" : String(retryAfterSeconds(predictedMs));
    return { retryAfter, isStopped: isStopped(status), oldestWaitingAt: status.oldestWaitingAt };
  }

  #estimateOf(queue: string): FinishEstimate {
    const known = this.#estimates.get(queue);
    if (known !== undefined) return known;
    const estimate = new FinishEstimate(this.#options.queues.get(queue));
    this.#estimates.set(queue, estimate);
    return estimate;
  }
}

/** 0 for one that may begin, as far as it is known. A spool keeps what may not among what waits. */
function notBeforeOf(request: RequestStatus | Receipt): number {
  return ("head" in request ? request.head?.placement?.notBefore : request.nextAttemptAt) ?? 0;
}

function lineOf(status: QueueStatus, { at, now }: Pick<LineReading, "at" | "now">): LineReading {
  const { counts, firstDueAt } = status;
  const [isDelivered, finished] = [!isStopped(status), counts.done + counts.dead];
  // Those that are all scheduled for later let everything in the line go first.
  const isLater = firstDueAt !== undefined && firstDueAt - now >= soonMs;
  const backlog = isLater ? status.backlog - counts.scheduled : status.backlog;
  return { at, now, backlog, waiting: counts.waiting, finished, isDelivered, isTried: isTried(status, now) };
}

function estimateWait(estimate: FinishEstimate, clock: Clock): number | undefined {
  const predictedMs = estimate.predictMs(1, clock.monotonic());
  return predictedMs && estimate.promiseMs(predictedMs);
}

/** Until this reading, which never rejects, is there, or no longer. */
async function atMost(reading: Promise<void>, ms: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([reading, late]);
  clearTimeout(timer);
}

interface LookDeps {
  readonly engine: Reads;
  readonly estimate: FinishEstimate;
  readonly clock: Clock;
}

async function look(id: RequestId, { engine, estimate, clock }: LookDeps): Promise<void> {
  const status = await engine.read(id).catch(() => undefined);
  if (status === undefined || status.state === "cancelled") return void estimate.forget(id);
  const { state, finishedAt, nextAttemptAt } = status;
  if (isFinal(state) && finishedAt !== undefined) estimate.learn(id, finishedAt);
  // One that was put off is finished no sooner: the next receipts need not wait for that to know it.
  else if (nextAttemptAt !== undefined && nextAttemptAt - clock.now() >= soonMs) estimate.learn(id, nextAttemptAt);
}
