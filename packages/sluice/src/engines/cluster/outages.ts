// What is out, for as long as it is: told by the engine's health, and by one line when it begins and one when it ends.
import type { Failure } from "../../core/request.ts";
import type { Logger } from "../../telemetry/log.ts";

const names = {
  "store-unavailable": "PostgreSQL",
  "disk-full": "room for PostgreSQL",
  "broker-unavailable": "RabbitMQ",
  "broker-blocked": "publishing to RabbitMQ",
  "cache-unavailable": "Redis",
} as const;
export type OutageCode = keyof typeof names;

export class Outages {
  readonly #log: Logger;
  readonly #messages = new Map<OutageCode, string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Of one that is out already only the message changes. */
  begin(code: OutageCode, message: string): void {
    const isNew = !this.#messages.has(code);
    this.#messages.set(code, message);
    if (isNew) this.#log.warn({ code }, message);
  }

  end(code: OutageCode): void {
    if (this.#messages.delete(code)) this.#log.info({ code }, `${names[code]} is back`);
  }

  list(): readonly Failure[] {
    return [...this.#messages].map(([code, message]) => ({ code, message }));
  }
}
