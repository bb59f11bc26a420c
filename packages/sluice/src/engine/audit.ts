// What an audit finds: the conservation law, the chain of what was accepted, and what does not move.
import type { Inversion, OrderCounts } from "../core/order-audit.ts";
import type { StateCounts } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";

export interface QueueAudit extends StateCounts {
  readonly queue: string;
  readonly accepted: number;
  /** Of these, what this process has in its spool, and no state of; undefined where it has none. */
  readonly spooled?: number;
  /** Accepted ones that no state accounts for; 0 when the law holds. */
  readonly missing: number;
}

/** What the chain of accepted ids says of one hour of acceptance, for what has not expired. */
export interface HourAudit {
  readonly queue: string;
  /** When the hour begins, in milliseconds since 1970. */
  readonly hourAt: number;
  readonly accepted: number;
  /** Accepted ones that are not in the store; 0 when the law holds. */
  readonly missing: number;
}

/** Something about one request that is not as it has to be. */
export interface Finding {
  /**
   * `missing`: accepted, and not in the store. `gap`: others were accepted before it and are gone with their links, so that
   * their ids are not known. `changed`: its body is not what was accepted. `unchained`: in the store, and in no link.
   * `broken`: the link that begins with it is not what was written. `orphaned`: rows that belong to no request. `stuck`: it
   * waits though others that came a minute later have begun, or runs for longer than its queue allows; the law still holds.
   */
  readonly kind: "missing" | "gap" | "changed" | "unchained" | "broken" | "orphaned" | "stuck";
  readonly queue: string;
  readonly id: RequestId;
  /** In words. */
  readonly what: string;
  /** Of a gap. */
  readonly gap?: Gap;
}

/** Requests that their chain shows were accepted, and of which the store has nothing. */
export interface Gap {
  readonly chain: RequestId;
  /** How many of the chain come before the first of them. */
  readonly place: number;
  readonly requests: number;
  /** The last request before them; undefined where the chain's beginning is missing. */
  readonly after: RequestId | undefined;
  /** The first request after them. */
  readonly before: RequestId;
  /** They were accepted between these times, in milliseconds since 1970. */
  readonly fromAt: number;
  readonly toAt: number;
}

export interface AuditReport {
  /** No request is missing from any count, and nothing was found but what is stuck. */
  readonly holds: boolean;
  readonly queues: readonly QueueAudit[];
  readonly hours: readonly HourAudit[];
  /** At most a hundred of each kind for each queue. */
  readonly findings: readonly Finding[];
}

export interface AuditOptions {
  /** How long an attempt of a queue may take, by its name. */
  readonly timeoutMsOf: ReadonlyMap<string, number>;
}

/** Whether the requests of each order key ran one after another. */
export interface OrderReport {
  /** No inversion was found. */
  readonly holds: boolean;
  readonly queues: readonly QueueOrder[];
  /** At most a hundred of each queue. */
  readonly inversions: readonly Inversion[];
}

/** What was looked at, and how many inversions were found. */
export interface QueueOrder extends OrderCounts {
  readonly queue: string;
}

/** What the chain says of one id. */
export interface Proof {
  /**
   * `stored`, `missing` and `changed`: its link is sound. `gap`: it is in no link, and requests of its time are missing.
   * `unknown`: never accepted, or expired since.
   */
  readonly verdict: "stored" | Exclude<Finding["kind"], "orphaned" | "stuck"> | "unknown";
  /** Where it is in the chain, if it is; of a gap, where that begins. */
  readonly link: { readonly chain: RequestId; readonly place: number } | undefined;
}
