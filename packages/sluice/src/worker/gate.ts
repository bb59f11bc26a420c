/** Lets attempts of a queue begin no faster than its rate. */
export interface Gate {
  /** Whether an attempt may start now; if so it has. */
  take(): boolean;
  /** How many may start within the next milliseconds. */
  within(ms: number): number;
  /** Milliseconds until `count` may start; infinite when the gate itself calls back. */
  waitMs(count?: number): number;
  /** Resolves once nothing of it is under way. */
  close(): Promise<void>;
}
