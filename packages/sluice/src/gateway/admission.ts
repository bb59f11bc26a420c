// Whether new work is let in at all, decided before any byte of its body is read.
import { SluiceError } from "../core/errors.ts";
import type { Failure } from "../core/request.ts";
import type { Engine } from "../engine/engine.ts";

const retryAfterSeconds = 5;

export class Admission {
  readonly #engine: Engine;
  #isDraining = false;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** From now on nothing new is let in. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Why this server should get no new work; empty when it is ready. */
  problems(): readonly Failure[] {
    const { problems } = this.#engine.health();
    return this.#isDraining ? [{ code: "draining", message: drainingMessage }, ...problems] : problems;
  }

  /** Throws the reason when nothing can be stored now (I7). */
  check(): void {
    if (this.#isDraining) throw new SluiceError("draining", drainingMessage, { retryAfterSeconds });
    const { problems } = this.#engine.health();
    if (problems.length > 0) refuse(problems);
  }
}

const drainingMessage = "the server is shutting down and takes no new requests";

function refuse(problems: readonly Failure[]): void {
  for (const { code, message } of problems) {
    if (code === "disk-full" || code === "store-unavailable")
      throw new SluiceError(code, message, { retryAfterSeconds });
  }
}
