// The loop: who leads reads the queues, holds them against their goals and asks the platform. It owns its timer; engine,
// platform and leadership belong to whoever opened them. Whatever it remembers it may forget: a killed autoscaler changes
// nothing but time.
import type { Clock } from "../core/clock.ts";
import { formatDuration } from "../core/duration.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import type { ScalingGoal } from "../core/scaling.ts";
import type { Engine, QueueStatus } from "../engine/engine.ts";
import type { Leadership } from "../engine/leadership.ts";
import { QueueScaling, type QueueScalingDecision } from "../engine/queue-scaling.ts";
import type { Logger } from "../telemetry/log.ts";
import { observe, type Meter } from "../telemetry/meter.ts";
import type { Platform } from "./platform.ts";

export interface ScaledQueue {
  readonly name: string;
  readonly goal: ScalingGoal;
}

export interface AutoscalerOptions {
  readonly engine: Pick<Engine, "backlog" | "askReplicas">;
  readonly platform: Platform;
  /** Absent in a dry run, which leads nobody. */
  readonly leadership: Leadership | undefined;
  /** Served by the same replicas: the queue that needs the most decides. */
  readonly queues: readonly ScaledQueue[];
  /** Whether what is asked of the platform has no effect: told as what would be. */
  readonly isDryRun: boolean;
  /** How often to look, in milliseconds. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where decisions are counted; nowhere unless given. */
  readonly meter?: Meter | undefined;
}

export interface Autoscaler {
  /** Ends the loop, after the look that is under way. */
  close(): Promise<void>;
}

/** How often a decision is made again at once because somebody else asked the platform for something meanwhile. */
const conflictsMax = 5;

export function openAutoscaler(options: AutoscalerOptions): Autoscaler {
  const loop = new Loop(options);
  loop.open();
  return loop;
}

interface Decided extends QueueScalingDecision {
  readonly queue: string;
}

class Loop implements Autoscaler {
  readonly #options: AutoscalerOptions;
  readonly #scalings: ReadonlyMap<string, QueueScaling>;
  #leads: boolean | undefined;
  /** What the last look failed for; empty when it did not. */
  #told = "";
  #lastChange = "";
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  readonly #gauge: Disposable | undefined;
  /** As decided last. */
  #replicas: number | undefined;
  #isClosed = false;

  constructor(options: AutoscalerOptions) {
    this.#options = options;
    const { queues, clock, meter, platform } = options;
    this.#scalings = new Map(queues.map(({ name, goal }) => [name, new QueueScaling({ goal, clock })]));
    const labels = { platform: platform.name };
    this.#gauge = meter?.addObserver(() => [
      observe("sluice.autoscaler.failing", labels, this.#told === "" ? 0 : 1),
      ...(this.#replicas === undefined ? [] : [observe("sluice.autoscaler.replicas", labels, this.#replicas)]),
    ]);
  }

  open(): void {
    this.#looking = this.#lookSafely().finally(() => this.#lookLater());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#looking;
    this.#gauge?.[Symbol.dispose]();
  }

  #lookLater(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.open(), this.#options.everyMs);
  }

  /** Whatever fails is tried again; an outage is told when it begins, and when it is over. */
  async #lookSafely(): Promise<void> {
    try {
      if (await this.#mayDecide()) await this.#look();
      if (this.#told !== "") this.#options.log.info({ was: this.#told }, "scaling works again");
      this.#told = "";
    } catch (error) {
      const message = messageOf(error);
      if (message === this.#told) return;
      this.#told = message;
      const level = error instanceof SluiceError && error.isRetryable ? "warn" : "error";
      this.#options.log[level]({ err: message }, "nothing is scaled until this is over");
    }
  }

  async #mayDecide(): Promise<boolean> {
    const { leadership, platform, log } = this.#options;
    const leads = leadership === undefined || (await leadership.leads());
    if (leads !== this.#leads && leadership !== undefined)
      log.info({ leads }, leads ? "this autoscaler leads" : "another autoscaler leads: this one stands by");
    this.#leads = leads;
    if (!leads) await platform.standDown();
    return leads;
  }

  async #look(): Promise<void> {
    const { engine, platform, log } = this.#options;
    const statuses = await engine.backlog();
    for (let round = 1; round <= conflictsMax; round += 1) {
      const { replicas, version } = await platform.replicas();
      const decisions = this.#decide(statuses, replicas);
      const [decided] = decisions;
      if (decided === undefined) return;
      await this.#note(decisions, statuses);
      const isChange = decided.replicas !== replicas;
      if (!isChange || (await platform.scaleTo(decided.replicas, version)) === "scaled")
        return this.#tell(decided, replicas);
      log.info({ round }, "somebody else changed the replicas: deciding again");
    }
    throw new SluiceError("unreachable", `somebody else changed the replicas ${conflictsMax} times in a row`);
  }

  /** All queues have their readings noted, and the first of these decides. */
  #decide(statuses: readonly QueueStatus[], replicas: number): readonly Decided[] {
    const decisions = statuses.flatMap((status) => {
      const scaling = this.#scalings.get(status.queue);
      return scaling === undefined ? [] : [{ queue: status.queue, ...scaling.decide(status, replicas) }];
    });
    return decisions.toSorted((a, b) => b.replicas - a.replicas);
  }

  /** Before the platform is asked: who goes on after a crash begins from these numbers. A dry run asks for nothing. */
  async #note(decisions: readonly Decided[], statuses: readonly QueueStatus[]): Promise<void> {
    const { engine, isDryRun } = this.#options;
    if (isDryRun) return;
    const asked = new Map(statuses.map(({ queue, replicasAsked }) => [queue, replicasAsked]));
    for (const { queue, replicas } of decisions)
      if (asked.get(queue) !== replicas) await engine.askReplicas(queue, replicas);
  }

  #tell(decided: Decided, from: number): void {
    const { platform, isDryRun, log, meter } = this.#options;
    const { queue, replicas: to, reason, forecastWaitMs, perReplicaPerHour, arrivalsPerHour } = decided;
    const fields = {
      platform: platform.name,
      queue,
      from,
      to,
      reason: reason.kind,
      because: reason.text,
      forecastWait: Number.isFinite(forecastWaitMs) ? formatDuration(forecastWaitMs) : "unknown",
      arrivalsPerHour: Math.round(arrivalsPerHour),
      perReplicaPerHour: perReplicaPerHour === undefined ? undefined : Math.round(perReplicaPerHour),
    };
    const change = to === from ? "stay" : to > from ? "added" : "let go";
    this.#replicas = to;
    const labels = { platform: platform.name, queue, change: change.replace(" ", "-") };
    if (meter !== undefined) meter.counter("sluice.autoscaler.decisions", labels).value += 1;
    // In a dry run the same change would be told again and again.
    const isNews = to !== from && !(isDryRun && this.#lastChange === `${from} ${to}`);
    this.#lastChange = `${from} ${to}`;
    log[isNews ? "info" : "debug"](fields, wordsOf(change, isDryRun));
  }
}

const words = { stay: "the replicas stay", added: "replicas are added", "let go": "replicas are let go" } as const;

function wordsOf(change: keyof typeof words, isDryRun: boolean): string {
  return isDryRun && change !== "stay" ? `dry run: ${words[change].replace("are", "would be")}` : words[change];
}
