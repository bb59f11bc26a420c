// The HTTP API v1 as TypeScript types: what travels between a client and the gateway, as JSON.
// Times are RFC 3339 in UTC, ids are UUIDv7, and what is absent is null. The gateway checks at
// compile time that its schemas and these types agree.

export type WireState = "waiting" | "scheduled" | "running" | "done" | "dead" | "cancelled";

/**
 * What was done before a receipt was given: `postgres+standby` when a synchronous standby had confirmed it as well, `spool` when
 * the ledger was out and the gateway has it on its disk.
 */
export type WireDurability = "fsync" | "postgres" | "postgres+standby" | "spool";

/** The answer to an accepted request. */
export interface WireReceipt {
  readonly id: string;
  readonly queue: string;
  readonly state: WireState;
  readonly acceptedAt: string;
  readonly durability: WireDurability;
  /** When it should be finished at the present rates; null while no rate is known. */
  readonly expectedBy: string | null;
}

/** A receipt inside the answer to a batch, where no header can say whether it is a repeat. */
export interface WireBatchReceipt extends WireReceipt {
  readonly replayed: boolean;
}

/** One receipt for each line, in the order of the lines. */
export interface WireBatchAnswer {
  readonly receipts: readonly WireBatchReceipt[];
}

/** One line of a batch: a JSON body, or bytes of any type in base64. */
export type WireBatchLine = WireLineFields &
  ({ readonly body: unknown } | { readonly bodyBase64: string; readonly contentType: string });

interface WireLineFields {
  readonly key?: string;
  /** Kept with the request, for its handler or target. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The URL that the outcome is posted to. */
  readonly callback?: string;
  /** Requests of a queue with the same order key run one after another. The embedded engine's, as are the next two. */
  readonly order?: string;
  /** Groups share the queue's starts. */
  readonly group?: string;
  /** From 0, the most urgent, to 7; 3 unless set. */
  readonly priority?: number;
  /** It does not begin before this time: RFC 3339, or a duration from now such as `"2h"`; up to 366 days ahead. */
  readonly notBefore?: string;
  /** If it has not begun by this time, it ends dead as `expired`; in the same forms, up to 732 days ahead. */
  readonly expires?: string;
}

/** Why an attempt failed. `code` groups failures; `message` is for people. */
export interface WireFailure {
  readonly code: string;
  readonly message: string;
}

export interface WireRequest {
  readonly id: string;
  /** The request that this id is one more of: two gateways took its key while the ledger was out. Absent for any other. */
  readonly sameAs?: string;
  readonly queue: string;
  readonly key: string | null;
  /** The owner of the API key that it came with; null where there was none. */
  readonly sender: string | null;
  readonly state: WireState;
  /** Attempts that began and came to an end. */
  readonly attempts: number;
  readonly acceptedAt: string;
  /** When the last attempt began. */
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  /** When it was replayed last; absent if it never was. */
  readonly replayedAt?: string;
  /** Set while the request is scheduled. */
  readonly nextAttemptAt: string | null;
  readonly lastError: WireFailure | null;
  readonly contentType: string;
  readonly bytes: number;
  /** With the next two: what else was kept of the request, null where nothing was. Absent in lists. */
  readonly method?: string | null;
  /** With the query. */
  readonly path?: string | null;
  /** By their names in lower case. */
  readonly headers?: Readonly<Record<string, string>> | null;
  /** With the next: what its sender asked for, null where that is nothing. Absent in lists. */
  readonly notBefore?: string | null;
  readonly expires?: string | null;
  readonly order?: string | null;
  readonly group?: string | null;
  readonly priority?: number | null;
  /** Null once the request is final, and while no rate is known. */
  readonly expectedBy: string | null;
  /** What the running handler reported last; null when it reported nothing. */
  readonly progress: unknown;
}

/** A page of requests, newest first. */
export interface WireRequestList {
  readonly requests: readonly WireRequest[];
  /** Give it as `cursor` for the next page; null on the last. */
  readonly nextCursor: string | null;
}

/** What is posted to a callback URL: the request with its outcome. `verifyCallback` proves and reads it. */
export interface WireCallback {
  readonly type: "request.done" | "request.dead" | "request.cancelled";
  /** When the request was finished. */
  readonly timestamp: string;
  readonly data: WireRequest & {
    /** Null unless the request is done. */
    readonly result: WireCallbackResult | null;
  };
}

/** A result in a callback: by its type as JSON, as text or in base64; one that is too large by the path to read it. */
export type WireCallbackResult =
  | { readonly contentType: string; readonly bytes: number; readonly body: unknown }
  | { readonly contentType: string; readonly bytes: number; readonly text: string }
  | { readonly contentType: string; readonly bytes: number; readonly base64: string }
  | { readonly contentType: string; readonly bytes: number; readonly path: string };

/** The data of `event: state` on a request's event stream. */
export interface WireStateEvent {
  readonly state: WireState;
  readonly at: string;
}

/** The data of `event: progress` on a request's event stream. */
export interface WireProgressEvent {
  readonly progress: unknown;
}

export interface WireCounts {
  readonly waiting: number;
  readonly scheduled: number;
  readonly running: number;
  readonly done: number;
  readonly dead: number;
  readonly cancelled: number;
}

export interface WireDeliveries {
  /** Claimed ahead: not begun. */
  readonly claimed: number;
  /** Their handler runs: at most the concurrency of each worker. */
  readonly running: number;
  /** Their attempt has ended: what came of it is being stored. */
  readonly committing: number;
  /** How many the workers found that the target can work on at once; absent unless the concurrency or rate is `"auto"`. */
  readonly limit?: number;
}

/** Per hour, over the last minute, five minutes and hour; never scaled up from a part of one. */
export interface WireRates {
  readonly m1: number;
  readonly m5: number;
  readonly h1: number;
}

export type WireForecast =
  | { readonly kind: "idle" }
  | { readonly kind: "drains"; readonly at: string }
  | { readonly kind: "grows"; readonly perMinute: number }
  /** Something waits, and nothing is delivered or finished; `since` is when the reason began. */
  | {
      readonly kind: "stalled";
      readonly since: string;
      readonly reason: "paused" | "target-down" | "no-workers" | "nothing-finishes";
    };

export interface WireQueue {
  readonly name: string;
  readonly paused: boolean;
  readonly accepted: number;
  readonly backlog: number;
  readonly backlogBytes: number;
  readonly oldestWaitingAt: string | null;
  readonly workers: number;
  /** Of the workers, those that claim nothing because their target is out. */
  readonly breakersOpen: number;
  /** The queue's set rate; null when it has none. */
  readonly ratePerHour: number | null;
  readonly counts: WireCounts;
  /** What is running by the counts, as the workers see it. */
  readonly deliveries: WireDeliveries;
  readonly rates: {
    readonly accepted: WireRates;
    readonly finished: WireRates;
    /** How much of the last hour they were counted in, at most 3,600. */
    readonly observedSeconds: number;
  };
  readonly forecast: WireForecast;
}

export interface WireQueueList {
  readonly queues: readonly WireQueue[];
}

/** A request at set times. */
export interface WireSchedule {
  readonly name: string;
  readonly queue: string;
  /** One of `cron` and `every`. */
  readonly cron?: string;
  readonly every?: string;
  /** Of `cron`. */
  readonly timeZone: string | null;
  /** Which of the ticks that passed while none could be submitted are submitted later. */
  readonly missed: "skip" | "last" | "all";
  readonly nextAt: string | null;
  /** The last tick that was submitted, and its request; null where none is known. */
  readonly lastAt: string | null;
  readonly lastId: string | null;
}

export interface WireScheduleList {
  readonly schedules: readonly WireSchedule[];
}

/** The body of a bulk replay; without one, up to 1,000 dead requests of the queue are replayed. */
export interface WireReplayOrder {
  /** Only those whose last error has this code. */
  readonly error?: string;
  readonly limit?: number;
  /** Counts what would be replayed, and changes nothing. */
  readonly dryRun?: boolean;
}

export interface WireReplayAnswer {
  /** Dead requests that fit, before any was replayed. */
  readonly total: number;
  readonly limit: number;
  /** Of the total, up to the limit. */
  readonly matched: number;
  readonly replayed: number;
  readonly dryRun: boolean;
}

export interface WireQueueAudit extends WireCounts {
  readonly queue: string;
  readonly accepted: number;
  /** Of these, what the gateway has in its spool, and no state of; absent where it has none. */
  readonly spooled?: number;
  /** Accepted ones that no state accounts for; 0 when the law holds. */
  readonly missing: number;
}

/** What the chain of accepted ids says of one hour of acceptance, for what has not expired. */
export interface WireHourAudit {
  readonly queue: string;
  /** When it begins. */
  readonly hour: string;
  readonly accepted: number;
  /** Accepted ones that are not in the store. */
  readonly missing: number;
}

/** Something about one request that is not as it has to be. What is `stuck` does not break the law. */
export interface WireFinding {
  readonly kind: "missing" | "gap" | "changed" | "unchained" | "broken" | "orphaned" | "stuck";
  readonly queue: string;
  readonly id: string;
  /** In words. */
  readonly what: string;
  /** Null unless it is a gap. */
  readonly gap: WireGap | null;
}

/** Requests that their chain shows were accepted, and of which the store has nothing, not even their ids. */
export interface WireGap {
  /** The chain, named by its first request. */
  readonly chain: string;
  /** How many requests of the chain come before the first of them. */
  readonly place: number;
  readonly requests: number;
  /** The last request before them; null where the chain's beginning is missing. */
  readonly after: string | null;
  /** The first request after them. */
  readonly before: string;
  /** They were accepted between these times. */
  readonly from: string;
  readonly to: string;
}

/** The law of conservation, queue by queue: accepted = the sum over the states. */
export interface WireAudit {
  readonly holds: boolean;
  readonly queues: readonly WireQueueAudit[];
  readonly hours: readonly WireHourAudit[];
  /** At most a hundred of each kind for each queue. */
  readonly findings: readonly WireFinding[];
}

/** Whether the requests of each order key ran one after another. */
export interface WireOrderAudit {
  /** No inversion was found. */
  readonly holds: boolean;
  readonly queues: readonly WireQueueOrder[];
  /** At most a hundred of each queue. */
  readonly inversions: readonly WireInversion[];
}

export interface WireQueueOrder {
  readonly queue: string;
  /** Order keys that were looked at. */
  readonly keys: number;
  /** Requests with an order key. */
  readonly requests: number;
  readonly inversions: number;
}

/** Two requests with the same order key: the second began before the first had ended. */
export interface WireInversion {
  readonly queue: string;
  readonly order: string;
  readonly first: WireRunSpan;
  readonly second: WireRunSpan;
}

export interface WireRunSpan {
  readonly id: string;
  /** The earliest time at which an attempt is known to have run; null where none is. */
  readonly startedAt: string | null;
  /** Null while it has no outcome. */
  readonly finishedAt: string | null;
}

/** An attempt that failed and was tried again. */
export interface WireFailedAttempt {
  /** From 1; since the last replay. */
  readonly attempt: number;
  readonly at: string;
  readonly error: WireFailure;
}

export interface WireAttempts {
  /** The first one first; at most the last thousand. */
  readonly failures: readonly WireFailedAttempt[];
}

/** The dead requests of a queue that have one error. */
export interface WireDeadGroup {
  /** The code: a bulk replay takes it. */
  readonly error: string;
  readonly count: number;
  readonly newest: { readonly id: string; readonly message: string; readonly at: string };
}

export interface WireDeadGroups {
  /** The largest first, at most a hundred; of the newest 100,000 dead requests. */
  readonly groups: readonly WireDeadGroup[];
}

/** A group of a queue, with the limits that hold for it; null is none. */
export interface WireGroup {
  /** Empty for requests without a group. */
  readonly name: string;
  /** Its requests without an outcome. */
  readonly backlog: number;
  /** Of these, those that are delivered. */
  readonly inFlight: number;
  readonly weight: number;
  readonly concurrency: number | null;
  readonly ratePerHour: number | null;
  readonly backlogMax: number | null;
  readonly paused: boolean;
}

export interface WireGroupList {
  /** The largest first. */
  readonly groups: readonly WireGroup[];
}

/** An order key that a dead request keeps from going on. */
export interface WireHeldOrder {
  readonly order: string;
  /** The id of the dead request. */
  readonly heldBy: string;
  readonly heldSince: string;
  /** Requests behind it; counted up to 1,000. */
  readonly waiting: number;
}

export interface WireHeldOrderList {
  readonly orders: readonly WireHeldOrder[];
}

/** The data of `event: overview` on the overview's event stream, about once a second. */
export interface WireOverviewEvent {
  readonly at: string;
  readonly version: string;
  readonly ready: boolean;
  readonly problems: readonly WireFailure[];
  readonly carriers: WireCarriers | null;
  readonly queues: readonly WireQueue[];
}

/** The data of `event: history`: what was seen of each queue while somebody looked, the oldest first. */
export interface WireHistoryEvent {
  readonly queues: readonly WireQueueHistory[];
}

export interface WireQueueHistory {
  readonly queue: string;
  /** Milliseconds since 1970. */
  readonly at: readonly number[];
  readonly backlog: readonly number[];
  /** Per hour, over the last minute. */
  readonly accepted: readonly number[];
  readonly finished: readonly number[];
}

/** The data of `event: audit`: what the last audit said. */
export interface WireAuditEvent {
  readonly at: string;
  readonly holds: boolean;
  readonly queues: readonly { readonly queue: string; readonly accepted: number; readonly missing: number }[];
  /** How many; `GET /v1/audit` names them. */
  readonly findings: number;
}

/** The data of `event: unreadable`: the queues could not be read. */
export type WireUnreadableEvent = WireFailure;

export interface WireHealing {
  /** Requests that the broker was told of again. */
  readonly healed: number;
}

/** What the chain of accepted requests says of one receipt. */
export interface WireReceiptProof {
  readonly id: string;
  /**
   * `stored`, `missing` and `changed`: its link is sound. `gap`: it is in no link, and requests of its time are missing.
   * `unknown`: never accepted, or expired since.
   */
  readonly verdict: "stored" | "missing" | "gap" | "changed" | "unchained" | "broken" | "unknown";
  /** Where it is in its chain; of a gap, where that begins. */
  readonly link: { readonly chain: string; readonly place: number } | null;
}

/** What carries hints, and what notices and shared rates, between the processes of a cluster. */
export interface WireCarriers {
  readonly hints: "rabbitmq" | "postgres";
  readonly notices: "redis" | "postgres";
}

export interface WireReadiness {
  readonly ready: boolean;
  readonly problems: readonly WireFailure[];
  /** Null outside a cluster. */
  readonly carriers: WireCarriers | null;
  /** Which content of the file of the API keys holds; null while there is none, or it cannot be read. */
  readonly keys: string | null;
}

/** One place where a body does not fit its queue's JSON Schema. */
export interface WireSchemaPath {
  /** A JSON pointer into the body; empty for the whole of it. */
  readonly path: string;
  readonly message: string;
}

/** Every error answer: RFC 9457, as application/problem+json. `code` is stable, `detail` is for people. */
export interface WireProblem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** The line of a batch, from 1. */
  readonly line?: number;
  /** What does not parse: a parameter of the query or the body, or a header. */
  readonly parameter?: string;
  /** Where a body does not fit its schema. */
  readonly paths?: readonly WireSchemaPath[];
  /** The state that did not allow the move. */
  readonly state?: WireState;
  /** Why a dead request is dead. */
  readonly error?: WireFailure;
}
