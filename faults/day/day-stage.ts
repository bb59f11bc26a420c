import type { Victim } from "./victim.ts";

/** Sluice on one engine, as a day needs it: its gateways, all that can be killed, and its end. */
export interface DayStage extends AsyncDisposable {
  readonly urls: readonly [string, ...string[]];
  /** Whatever is killed comes back by itself. */
  readonly victims: readonly Victim[];
  /** Of the servers, by name. */
  versions(): Promise<Readonly<Record<string, string>>>;
  /** A sentence for each life of a process of Sluice that ended neither by a kill nor by SIGTERM in order. */
  wrongEnds(): readonly string[];
  /** After the drain: a sentence for each thing that is left where nothing should be. */
  leftovers(): Promise<readonly string[]>;
  /** SIGTERM to each process of Sluice; a sentence for whatever is wrong then. */
  stop(): Promise<readonly string[]>;
}

export interface DayStageOptions {
  /** Where B's logs go; the data of Sluice goes below it. */
  readonly folder: string;
  /** What B processes in an hour of the clock, all its copies together. */
  readonly ratePerHour: number;
}
