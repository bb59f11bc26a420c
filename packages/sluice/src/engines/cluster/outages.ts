// What is out, for as long as it is: told by the engine's health, and by one line when it begins and one when it ends.
import { systemClock, type Clock } from "../../core/clock.ts";
import type { Failure } from "../../core/request.ts";
import type { EngineHealth } from "../../engine/engine.ts";
import type { Logger } from "../../telemetry/log.ts";

const names = {
  "store-unavailable": "PostgreSQL",
  "disk-full": "room for PostgreSQL",
  "broker-unavailable": "RabbitMQ",
  "broker-blocked": "publishing to RabbitMQ",
  "cache-unavailable": "Redis",
} as const;
export type OutageCode = keyof typeof names;

/**
 * Whether there is room again shows in a commit alone, and while it is a problem no request is let in to make one: so long
 * after the last refusal the next one is, to try.
 */
const roomTriedAfterMs = 1_000;

interface Outage extends Failure {
  readonly code: OutageCode;
  /** When it showed last. */
  readonly shownAt: number;
}

export class Outages {
  readonly #log: Logger;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #outages = new Map<OutageCode, Outage>();

  constructor(log: Logger, clock: Pick<Clock, "monotonic"> = systemClock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** Of one that is out already only the message changes. */
  begin(code: OutageCode, message: string): void {
    const isNew = !this.#outages.has(code);
    this.#outages.set(code, { code, message, shownAt: this.#clock.monotonic() });
    if (isNew) this.#log.warn({ code }, message);
  }

  end(code: OutageCode): void {
    if (this.#outages.delete(code)) this.#log.info({ code }, `${names[code]} is back`);
  }

  list(): readonly Failure[] {
    return [...this.#outages.values()].map(({ code, message }) => ({ code, message }));
  }

  /** The problems keep requests out, the degradations do not. */
  health(): EngineHealth {
    const isProblem = ({ code }: Failure): boolean => {
      if (code === "disk-full") return this.#isFull();
      return code === "store-unavailable";
    };
    const out = this.list();
    return { problems: out.filter(isProblem), degradations: out.filter((one) => !isProblem(one)) };
  }

  #isFull(): boolean {
    const outage = this.#outages.get("disk-full");
    return outage !== undefined && this.#clock.monotonic() - outage.shownAt < roomTriedAfterMs;
  }
}
