// What starts and stops copies of B. A platform keeps no opinion: it tells how many are asked for, and asks for another
// number, unless somebody else did so meanwhile. Every platform passes platform-contract.ts.

export interface Platform extends AsyncDisposable {
  readonly name: "process" | "swarm" | "kubernetes";

  /**
   * How many replicas are asked for now. Errors: `unreachable` when it may be tried again, `bad-config` when what is to
   * be scaled is not there or may not be touched.
   */
  replicas(): Promise<ReplicaCount>;

  /**
   * Asks for so many replicas; those that have to go finish or hand back what they hold. Resolves once it is asked for,
   * not once they are there. The version is that of the reading that the decision was made on.
   */
  scaleTo(replicas: number, version: string): Promise<ScaleResult>;

  /** Another autoscaler leads: lets go, gracefully, of what belongs to this process alone. */
  standDown(): Promise<void>;
}

export interface ReplicaCount {
  readonly replicas: number;
  /** Changes with everything that is asked for, by whomever. */
  readonly version: string;
}

/** After a conflict nothing was changed: read again, and decide again. */
export type ScaleResult = "scaled" | "conflict";
