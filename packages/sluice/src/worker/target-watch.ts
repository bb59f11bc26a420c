// What a worker learns of its target from the ends of attempts: tells the breaker, shows and logs when deliveries stop and
// go on.
import { Breaker, type Judgement } from "../core/breaker.ts";
import type { Clock } from "../core/clock.ts";
import type { Delivery } from "../core/request.ts";
import type { Presence } from "../engine/engine.ts";
import type { Logger } from "../telemetry/log.ts";
import { timeoutCode, type End } from "./attempt.ts";

export interface TargetWatchOptions {
  readonly queue: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The longest wait that the target can ask for. */
  readonly retryAfterMaxMs: number;
  /** Attempts that run at once. */
  readonly concurrency: number;
  /** Deliveries have to stop. */
  readonly onOpen: () => void;
}

/** One sender's limit must not stop the others for longer, nor a target that is back be missed. */
const queuePauseMaxMs = 60_000;
const probesMax = 16;

export class TargetWatch {
  readonly #options: TargetWatchOptions;
  readonly breaker: Breaker;
  #presence: Presence | undefined;

  constructor(options: TargetWatchOptions) {
    this.#options = options;
    const { clock, retryAfterMaxMs, concurrency } = options;
    const pauseMaxMs = Math.min(retryAfterMaxMs, queuePauseMaxMs);
    this.breaker = new Breaker({ clock, retryAfterMaxMs: pauseMaxMs, probesMax: Math.min(concurrency, probesMax) });
  }

  showIn(presence: Presence): void {
    this.#presence = presence;
  }

  /** Gives what the breaker makes of a failure; `running` attempts go on. */
  ended(delivery: Delivery, end: End, running: number): Judgement | undefined {
    const before = this.breaker.state;
    const judgement = this.#tell(delivery, end, running);
    const { state } = this.breaker;
    if (state === before) return judgement;
    this.#presence?.breakerOpen(state !== "closed");
    if (before === "closed") {
      this.#options.onOpen();
      this.#logOpen(end);
    }
    if (state === "closed") this.#logClosed();
    return judgement;
  }

  #tell({ claim: { id }, attempt }: Delivery, end: End, running: number): Judgement | undefined {
    if (end.kind === "cut-off") return this.breaker.unknown(id);
    if (end.kind === "unknown") return this.breaker.storeLost(id);
    if (end.kind !== "failed" || end.blame === "request") return this.breaker.answered(id);
    if (end.blame === "worker") return this.breaker.exhausted(id);
    const { code, retryAfterMs } = end.failure;
    const sign = end.blame === "outage" ? "outage" : code === timeoutCode ? "silence" : "error";
    return this.breaker.failed({ id, attempt, sign, running, retryAfterMs });
  }

  #logOpen(end: End): void {
    const { queue, log } = this.#options;
    if (this.breaker.reason === "target") return log.warn({ queue }, "the target is out: deliveries stop");
    if (end.kind !== "failed") return log.warn({ queue }, "the store goes away with each attempt: deliveries pause");
    const hint = "raise its limit of open files (ulimit -n, or LimitNOFILE) or lower the queue's concurrency";
    log.error({ queue, err: end.failure.message, hint }, "this worker has run out of a resource: deliveries pause");
  }

  #logClosed(): void {
    const { queue, log } = this.#options;
    log.info({ queue }, this.breaker.reason === "target" ? "the target is back: deliveries go on" : "deliveries go on");
  }
}
