// What the gateway knows of the queues. Reading them costs the engine a query, so intake uses what was
// read within the last moment; who asks for a queue itself gets a fresh reading.
import type { Clock } from "../core/clock.ts";
import type { RequestStatus } from "../core/request.ts";
import type { Engine, QueueStatus } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import { expectedBy, isStopped, retryAfterSeconds, unusedQueue, viewOfQueue, waitMsOf } from "./queue-view.ts";
import type { QueueView } from "./schemas.ts";

const freshMs = 200;

export interface QueueViewsOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly log: Logger;
  /** The set rates of the configured queues. */
  readonly ratesPerHour: ReadonlyMap<string, number | undefined>;
}

/** What one that arrives in a queue now may expect. */
export interface Expectation {
  readonly waitMs: number | undefined;
  /** The forecast in seconds, as the header has it. */
  readonly retryAfter: string;
  readonly oldestWaitingAt: number | undefined;
}

const noExpectation: Expectation = { waitMs: undefined, retryAfter: "1", oldestWaitingAt: undefined };

export class QueueViews {
  readonly #options: QueueViewsOptions;
  #expectations: ReadonlyMap<string, Expectation> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(options: QueueViewsOptions) {
    this.#options = options;
  }

  /** Every queue, configured or only known to the store. */
  async readAll(): Promise<readonly QueueView[]> {
    return (await this.readStatuses()).map((status) => this.viewOf(status));
  }

  async readOne(name: string): Promise<QueueView | undefined> {
    const views = await this.readAll();
    return views.find((view) => view.name === name);
  }

  async readStatus(name: string): Promise<QueueStatus | undefined> {
    return (await this.readStatuses()).find(({ queue }) => queue === name);
  }

  /** Every queue, as the engine tells it. */
  async readStatuses(): Promise<readonly QueueStatus[]> {
    const { engine, clock, ratesPerHour } = this.#options;
    const stored = await engine.backlog();
    const names = new Set(stored.map(({ queue }) => queue));
    const unused = [...ratesPerHour.keys()].filter((name) => !names.has(name)).map(unusedQueue);
    const statuses = [...stored, ...unused].sort((a, b) => (a.queue < b.queue ? -1 : 1));
    this.#expectations = new Map(statuses.map((status) => [status.queue, this.#expectationOf(status)]));
    this.#readAt = clock.monotonic();
    return statuses;
  }

  viewOf(status: QueueStatus): QueueView {
    return viewOfQueue(status, { now: this.#options.clock.now(), ratePerHour: this.#rateOf(status.queue) });
  }

  /** Starts a reading when the last one is old; undefined when it is not, or a new one is under way. Never rejects. */
  freshen(): Promise<void> | undefined {
    if (this.#reading !== undefined || this.#options.clock.monotonic() - this.#readAt < freshMs) return undefined;
    this.#reading = this.#refresh();
    return this.#reading;
  }

  /** By the last reading. */
  expectation(queue: string): Expectation {
    return this.#expectations.get(queue) ?? noExpectation;
  }

  /** When a request should be finished, in milliseconds since 1970. */
  expectedBy(request: RequestStatus): number | undefined {
    const now = this.#options.clock.now();
    return expectedBy(request, { now, ...this.expectation(request.queue) });
  }

  /** Waits for a reading under way. */
  async close(): Promise<void> {
    await this.#reading;
  }

  async #refresh(): Promise<void> {
    try {
      await this.readStatuses();
    } catch (error) {
      this.#readAt = this.#options.clock.monotonic();
      this.#options.log.warn({ err: error }, "the queues could not be read: forecasts stay as they were");
    } finally {
      this.#reading = undefined;
    }
  }

  #expectationOf(status: QueueStatus): Expectation {
    const waitMs = waitMsOf(status, {
      now: this.#options.clock.now(),
      ratePerHour: this.#rateOf(status.queue),
    });
    const isIdle = status.backlog === 0 && !isStopped(status);
    const retryAfter = isIdle ? "1" : String(retryAfterSeconds(waitMs));
    return { waitMs, retryAfter, oldestWaitingAt: status.oldestWaitingAt };
  }

  #rateOf(queue: string): number | undefined {
    return this.#options.ratesPerHour.get(queue);
  }
}
