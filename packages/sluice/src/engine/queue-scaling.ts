// One queue's readings, held against its goal: what the autoscaler follows and what others are told is the same policy.
// It owns what has to be remembered from one reading to the next, and loses nothing but time with it: the number that was
// asked for last is the store's.
import type { Clock } from "../core/clock.ts";
import { stallOf } from "../core/forecast.ts";
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
  #memory: ScalingMemory | undefined;

  constructor({ goal, clock }: QueueScalingOptions) {
    this.#goal = goal;
    this.#clock = clock;
    this.#rate = new ReplicaRate(goal.ratePerHour);
  }

  /** Those that are there count only until the first number is asked for. */
  decide(status: QueueStatus, present: number): QueueScalingDecision {
    const { counts, accepting, oldestWaitingAt, isPaused } = status;
    const [atMs, now] = [this.#clock.monotonic(), this.#clock.now()];
    const isTargetDown = stallOf({ now, ...status, stuckSince: undefined })?.reason === "target-down";
    const replicas = status.replicasAsked ?? present;
    this.#memory ??= [{ atMs, replicas }]; // after a restart nobody knows what was needed before: it is kept for a while
    const finished = counts.done + counts.dead;
    const waiting = isPaused ? 0 : counts.waiting;
    this.#rate.add({ at: atMs, finished, waiting, replicas: status.workers - status.breakersOpen });
    const perReplicaPerHour = this.#rate.perHour;
    const arrivalsPerHour = observedPerHour(accepting, arrivalsWindowMs(this.#goal) === 60_000 ? "m1" : "m5");
    const signals = {
      atMs,
      // What is scheduled waits for its time and not for a replica; nothing can be done for a paused queue.
      backlog: isPaused ? 0 : status.backlog - counts.scheduled,
      oldestWaitingMs: oldestWaitingAt === undefined || isPaused ? 0 : Math.max(0, now - oldestWaitingAt),
      arrivalsPerHour: isPaused ? 0 : arrivalsPerHour,
      perReplicaPerHour,
      replicas,
      isTargetDown,
    };
    const decision = decideScaling(this.#goal, signals, this.#memory);
    this.#memory = decision.memory;
    const forecastWaitMs = isPaused || isTargetDown ? Number.POSITIVE_INFINITY : decision.forecastWaitMs;
    return { ...decision, forecastWaitMs, perReplicaPerHour, arrivalsPerHour };
  }
}
