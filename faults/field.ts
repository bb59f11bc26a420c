// Where a load or a rehearsal plays, with service B in the workers' own processes: the same for both engines.
import { fileURLToPath } from "node:url";
import type { Victim } from "../packages/sluice/src/rehearsal/killer.ts";
import type { Figures } from "./checker.ts";
import type { Member } from "./cluster/member.ts";
import { whenTrue } from "./cluster/observe.ts";
import type { Ledger } from "./ledger.ts";
import type { Resident } from "./peaks.ts";
import type { FinishOptions } from "./stage.ts";

export interface FieldSetting {
  /** Settings of the queue, beside its handler. */
  readonly queue?: Readonly<Record<string, unknown>>;
  /** How long finished requests are kept. */
  readonly retention?: string;
  /** B's copies come and go by the queue's `scaling`. */
  readonly isScaled?: boolean;
  /** Whether the ledger's lines stay in memory. */
  readonly isLedgerKept?: boolean;
}

/** Opens a field of one engine or the other. */
export type OpenField<Options> = (options: Options, setting?: FieldSetting) => Promise<Field>;

export interface Field extends AsyncDisposable {
  /** Of its gateways. */
  readonly urls: readonly [string, ...string[]];
  readonly ledger: Ledger;
  /** Where B keeps its logs. */
  readonly folder: string;
  /** Its processes. Whichever ends is started again. */
  readonly members: readonly Member[];
  /** Its processes and its servers. */
  readonly victims: readonly FieldVictim[];
  /** Those that decide how many copies of B there are. */
  readonly scalers: readonly Member[];
  /** Of the servers, by name. */
  versions(): Promise<Readonly<Record<string, string>>>;
  /** SIGTERM to each, and started again, with another retention. */
  restart(retention: string): Promise<void>;
  /** Waits for every outcome, reads them back, of the results some, and stops. */
  finish(options?: FinishOptions): Promise<{ readonly figures: Figures; readonly violations: string[] }>;
}

export interface FieldVictim extends Victim {
  /** Undefined while it is away. */
  readonly pid: number | undefined;
}

export const handlerConfig = fileURLToPath(new URL("./handler.config.ts", import.meta.url));

/** Results that are read back of a load; of the others the state, and B's effect. */
export const resultsRead = 2_000;

/** SIGKILL as soon as it is ready; it starts again by itself. */
export function memberVictim(member: Member): FieldVictim {
  return {
    name: member.name,
    async kill() {
      await member.ready();
      const ended = new Promise<void>((resolve) => member.onEnd(resolve));
      member.kill("SIGKILL");
      await ended;
    },
    get pid() {
      return member.pid;
    },
  };
}

export function residentsOf({ victims }: Field): readonly Resident[] {
  return victims.flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid }]));
}

/** What is to be seen of the queue from outside. */
interface QueueSeen {
  readonly accepted: number;
  readonly backlog: number;
  readonly workers: number;
}

/** Undefined while nobody answers. */
export async function look({ urls: [url] }: Field): Promise<QueueSeen | undefined> {
  try {
    const response = await fetch(`${url}/v1/queues/orders`);
    return response.ok ? ((await response.json()) as QueueSeen) : undefined;
  } catch (error) {
    if (error instanceof TypeError) return undefined; // nobody listens
    throw error;
  }
}

/** Resolves, with how many are left of so many, once all have their outcome or the time is over. */
export async function drained(field: Field, total: number, msMax: number): Promise<number> {
  let left = total;
  await whenTrue(async () => {
    const seen = await look(field);
    if (seen !== undefined) left = Math.max(total - seen.accepted, 0) + seen.backlog; // its count may be a moment old
    return left === 0;
  }, msMax);
  return left;
}

export function perSecond(count: number, ms: number): string {
  return `${Math.round(count / (ms / 1_000)).toLocaleString("en")}/s`;
}
