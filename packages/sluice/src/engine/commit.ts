/** One commit of the store, as it is told to whoever measures. */
export interface Commit {
  /** What it held; `all` where every kind of call shares it. */
  readonly kind: "accept" | "settle" | "all";
  /** Calls that shared it. */
  readonly calls: number;
  readonly durationMs: number;
}

export type OnCommit = (commit: Commit) => void;
