// One queue's readings, held against its goal: what the autoscaler follows and what others are told is the same policy.
// It owns what has to be remembered from one reading to the next, and loses nothing but time with it.
import type { Clock } from "../core/clock.ts";
import { observedPerHour } from "../core/rate-meter.ts";
import { ReplicaRate } from "../core/replica-rate.ts";
import {
  arrivalsWindowMs,
  decideScaling,
  type ScalingDecision,
  type ScalingGoal,
  type ScalingMemory,
} from "../core/scaling.ts";
import type { QueueStatus } from "./engine.ts";

export interface QueueScalingOptions {
  readonly goal: ScalingGoal;
  /** The store's, as the times of the requests are. */
  readonly clock: Clock;
}

export interface QueueScalingDecision extends ScalingDecision {
  /** Undefined while it has not been measured. */
  readonly perReplicaPerHour: number | undefined;
  readonly arrivalsPerHour: number;
}

export class QueueScaling {
  readonly #goal: ScalingGoal;
  readonly #clock: Clock;
  readonly #rate: ReplicaRate;
  #memory: ScalingMemory;
  /** From how many it let some go last: asked for still, they are kept for another queue that the same replicas serve. */
  #offeredFrom: number | undefined;

  constructor({ goal, clock }: QueueScalingOptions) {
    this.#goal = goal;
    this.#clock = clock;
    this.#rate = new ReplicaRate(goal.ratePerHour);
  }

  /** For a queue that so many replicas are asked for now. */
  decide(status: QueueStatus, replicas: number): QueueScalingDecision {
    const { counts, accepting, oldestWaitingAt, isPaused } = status;
    const atMs = this.#clock.monotonic();
    const finished = counts.done + counts.dead;
    const waiting = isPaused ? 0 : counts.waiting;
    this.#rate.add({ at: atMs, finished, waiting, replicas: status.workers });
    const perReplicaPerHour = this.#rate.perHour;
    const arrivalsPerHour = observedPerHour(accepting, arrivalsWindowMs(this.#goal) === 60_000 ? "m1" : "m5");
    const signals = {
      atMs,
      // What is scheduled waits for its time and not for a replica; nothing can be done for a paused queue.
      backlog: isPaused ? 0 : status.backlog - counts.scheduled,
      oldestWaitingMs: oldestWaitingAt === undefined || isPaused ? 0 : Math.max(0, this.#clock.now() - oldestWaitingAt),
      arrivalsPerHour: isPaused ? 0 : arrivalsPerHour,
      perReplicaPerHour,
      replicas,
    };
    if (this.#offeredFrom !== undefined && this.#offeredFrom !== replicas) this.#memory = undefined;
    const decision = decideScaling(this.#goal, signals, this.#memory);
    const isOffer = decision.replicas < replicas;
    this.#offeredFrom = isOffer ? replicas : undefined;
    // An offer that is not taken up stands: were the hold to begin anew, those of two queues would hardly ever meet.
    this.#memory =
      isOffer && this.#memory !== undefined
        ? { lowerSinceMs: this.#memory.lowerSinceMs, highestNeed: decision.replicas }
        : decision.memory;
    return { ...decision, perReplicaPerHour, arrivalsPerHour };
  }
}
