import type { Claim } from "../core/request.ts";
import type { Engine, Work } from "../engine/engine.ts";

/** What a worker needs of an engine: the engine itself, or one that speaks to it from another process. */
export interface WorkerEngine extends Omit<Work, "crashed">, Pick<Engine, "clock"> {
  /**
   * Notes that the handler of a delivery is about to begin; durable against the death of this process once it returns,
   * and so is all that was said before. Absent where whatever was claimed counts as begun when the process dies.
   */
  readonly began?: (claim: Claim) => void;
}
