// Copies of B and what decides how many there are: the same for both engines.
import type { Conclusion } from "../conclusion.ts";
import type { Figures } from "../checker.ts";
import type { Ledger } from "../ledger.ts";

export interface Fleet extends AsyncDisposable {
  /** Of a gateway. */
  readonly url: string;
  readonly ledger: Ledger;
  /** Whether several could decide, and one of them leads. */
  readonly hasLeader: boolean;
  /** SIGKILL to the one that decides; resolves once something decides again. */
  killAutoscaler(): Promise<void>;
  /** What those that decide, and those that did, have logged. */
  logs(): readonly string[];
  /** Reads everything back, of the results some, and stops. */
  finish(): Promise<{ readonly figures: Figures } & Pick<Conclusion, "violations">>;
}

/** What is to be seen of B from outside. */
export interface Seen {
  readonly accepted: number;
  readonly backlog: number;
  readonly workers: number;
}

/** Undefined while nobody answers. */
export async function look(url: string): Promise<Seen | undefined> {
  try {
    const response = await fetch(`${url}/v1/queues/orders`);
    return response.ok ? ((await response.json()) as Seen) : undefined;
  } catch (error) {
    if (error instanceof TypeError) return undefined; // nobody listens
    throw error;
  }
}
