// Whether new work is let in at all, decided before any byte of its body is read.
import { SluiceError } from "../core/errors.ts";
import type { Failure } from "../core/request.ts";
import type { Carriers, Engine } from "../engine/engine.ts";

const retryAfterSeconds = 5;

export interface Readiness {
  readonly isReady: boolean;
  readonly problems: readonly Failure[];
  readonly carriers: Carriers | undefined;
}

/** What may keep a gateway from its work beside the engine. */
interface Troubled {
  readonly problem: Failure | undefined;
}

export class Admission {
  readonly #engine: Pick<Engine, "health" | "carriers">;
  readonly #others: readonly Troubled[];
  #isDraining = false;
  #isClosed = false;

  constructor(engine: Pick<Engine, "health" | "carriers">, others: readonly Troubled[]) {
    this.#engine = engine;
    this.#others = others;
  }

  /** From now on this server should get no new work. What comes is let in all the same: proxies need a moment to notice. */
  drain(): void {
    this.#isDraining = true;
  }

  /** From now on nothing new is let in. */
  close(): void {
    this.#isDraining = true;
    this.#isClosed = true;
  }

  /** Whether this server should get new work, and what is out: first what keeps it from that, then what does not. */
  readiness(): Readiness {
    const { carriers } = this.#engine;
    const { problems, degradations } = this.#engine.health();
    const draining = this.#isDraining ? [{ code: "draining", message: drainingMessage }] : [];
    const others = this.#others.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
    const reasons = [...draining, ...problems, ...others];
    return { isReady: reasons.length === 0, problems: [...reasons, ...degradations], carriers };
  }

  /** Throws the reason when nothing can be stored now (I7). */
  check(): void {
    if (this.#isClosed) throw new SluiceError("draining", drainingMessage, { retryAfterSeconds });
    const { problems } = this.#engine.health();
    if (problems.length > 0) refuse(problems);
  }
}

const drainingMessage = "the server is shutting down";

function refuse(problems: readonly Failure[]): void {
  for (const { code, message } of problems) {
    if (code === "disk-full" || code === "store-unavailable")
      throw new SluiceError(code, message, { retryAfterSeconds });
  }
}
