// The one interface behind which requests live and travel. Every engine passes the suite in contract/.
import type {
  GroupOverride,
  GroupStatus,
  HeldOrder,
  LineCounts,
  LineCountsBounds,
  LineSettings,
} from "../core/line-settings.ts";
import type { Activity, ActivityAsk, KeptActivity } from "../core/activity.ts";
import type { DueCallback } from "../core/callback.ts";
import type { Clock } from "../core/clock.ts";
import type { WindowCounts } from "../core/rate-meter.ts";
import type {
  Claim,
  Content,
  Delivery,
  Failure,
  NewRequest,
  Outcome,
  Receipt,
  RequestStatus,
  Result,
  State,
  StateCounts,
} from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { RetryBounds } from "../core/retry-share.ts";
import type { AuditOptions, AuditReport, OrderReport, Proof } from "./audit.ts";
import type { DeadGroup, FailedAttempt } from "./failures.ts";

export interface Engine extends Intake, Work, Reads, Operations, AsyncDisposable {
  /** The store's clock: it decides what is due, whatever this machine's clock says (I8). */
  readonly clock: Clock;

  /** Undefined where requests do not travel between processes. */
  readonly carriers: Carriers | undefined;

  health(): EngineHealth;

  /** Stops taking calls, finishes what is under way, lets go of the store. Closing twice is safe. */
  close(): Promise<void>;
}

/** Taking requests in. */
export interface Intake {
  /** Stores all of the requests or none; resolves once they are durable (I1). */
  accept(requests: readonly NewRequest[]): Promise<AcceptResult>;
}

/** Delivering them, and what comes of it. */
export interface Work {
  /**
   * Claims up to `max` requests of a queue, the longest waiting first; waits until there is at least one.
   * Empty only after the signal aborted: nothing is claimed then.
   */
  deliver(options: DeliverOptions): Promise<readonly Delivery[]>;

  /** Commits the outcome of a delivery. The first one wins (I3). */
  settle(claim: Claim, outcome: Outcome): Promise<SettleResult>;

  /**
   * Runs the work inside the transaction that commits its outcome: both or neither. When the work resolves to
   * undefined or throws, all of it is undone. Absent where the store cannot share a transaction.
   */
  readonly transact?: (claim: Claim, work: TransactedWork) => Promise<SettleResult | "rolled-back">;

  /**
   * Takes starts of attempts out of a queue's rate, which all its workers share. Never rejects. Absent where one
   * process has the rate to itself.
   */
  readonly starts?: (ask: StartsAsk) => Promise<StartsGrant>;

  /** Puts a delivery back until `dueAt`: after a failed attempt, or handed back untouched (I4). */
  retry(claim: Claim, options: RetryOptions): Promise<SettleResult>;

  /**
   * Puts back a delivery whose worker process died while its handler ran, with a crash on its account; the one too many
   * ends it dead as `poison` (I4). Absent where the engine finds out by itself which workers died.
   */
  readonly crashed?: (claim: Claim) => Promise<SettleResult>;

  /** Notes how far a running handler got. A hint in memory: lost with the process. */
  report(claim: Claim, progress: unknown): void;

  /** Shows a worker as present for a queue until disposed, and what it holds whenever that is looked at. */
  attend(queue: string, holding?: () => Deliveries): Presence;
}

/** Looking at what there is; nothing changes. */
export interface Reads {
  read(id: RequestId): Promise<RequestStatus | undefined>;
  readBody(id: RequestId): Promise<Content | undefined>;
  /** The result of a request that is done, or the response of the target that refused one which is dead. */
  readResult(id: RequestId): Promise<Result | undefined>;

  /** What failed and was tried again, the first attempt first; at most the last thousand. What ended it is its last error. */
  readFailures(id: RequestId): Promise<readonly FailedAttempt[]>;

  /** Newest first. */
  list(filter: ListFilter): Promise<readonly RequestStatus[]>;

  /** The dead requests of a queue by the code of their error, the largest group first: of the newest 100,000. */
  deadByError(queue: string): Promise<readonly DeadGroup[]>;

  /** Every queue the store knows, configured or not; the one of this name alone if given, which costs no more for the others. */
  backlog(queue?: string): Promise<readonly QueueStatus[]>;

  /**
   * Looks at the next requests that want a callback and have not had it, in the order of acceptance: which of them have
   * their outcome. However an outcome came about, it is found here until it is noted as told.
   */
  callbacksDue(page: CallbacksAsk): Promise<CallbacksPage>;

  /** Newest first. */
  listActivity(ask: ActivityAsk): Promise<readonly KeptActivity[]>;

  /** Counts what is stored, row by row, and holds it against what was accepted and against the chain of accepted ids. */
  audit(options?: Partial<AuditOptions>): Promise<AuditReport>;

  /** Proves from what is stored that the requests of each order key ran one after another, in the order of their turns. */
  auditOrder(): Promise<OrderReport>;

  /** Looks one receipt up in the chain. */
  prove(id: RequestId): Promise<Proof>;

  /** Calls back with each change of state of a request. A hint: the store has the truth. Dispose to stop. */
  watch(id: RequestId, onChange: (change: Change) => void): Disposable;
}

/** What people and the process itself ask for beside intake and work. */
export interface Operations {
  /** Runs a dead request again: same id, fresh attempts. */
  replay(id: RequestId): Promise<MoveResult>;
  replayMany(filter: ReplayFilter): Promise<ReplayReport>;

  /** Ends a request that waits or is scheduled. */
  cancel(id: RequestId): Promise<MoveResult>;

  /** Stops and starts deliveries of a queue; kept over restarts. Intake goes on. */
  pause(queue: string, isPaused: boolean): Promise<void>;

  /** Notes how many replicas of its worker a queue's scaling asks for; told by `backlog`, and kept over restarts. */
  askReplicas(queue: string, replicas: number): Promise<void>;

  /** Notes that these have been accepted as requests. One that was replayed since is due again at its next outcome. */
  callbacksTold(told: readonly ToldCallback[]): Promise<void>;

  /** Keeps what was done in the activity log, of which the newest entries stay. A key's entry is kept once. */
  noteActivity(activities: readonly Activity[]): Promise<void>;

  /**
   * Tells the broker again of what an audit finds stuck; gives back how many requests. Absent where there is no broker
   * that could have lost them.
   */
  readonly heal?: () => Promise<number>;

  /** What concerns order keys and groups. */
  readonly lines: LineOperations;

  /**
   * Whether calls needed API keys when this was noted last, so that a restored store does not open by itself. Both are absent
   * where the keys are not beside the store.
   */
  readonly wasKeyed?: () => Promise<boolean>;
  readonly noteKeyed?: (isKeyed: boolean) => Promise<void>;
}

export interface LineOperations {
  /** What was said of a group at run time, or nothing any more; kept over restarts. */
  setGroup(queue: string, group: string, override: GroupOverride | undefined): Promise<void>;
  /** What else was said of it stays. */
  pauseGroup(queue: string, group: string, isPaused: boolean): Promise<void>;
  /** The groups with the largest backlog first. */
  groups(queue: string, max: number): Promise<readonly GroupStatus[]>;
  /** By their order keys. */
  heldOrders(queue: string, max: number): Promise<readonly HeldOrder[]>;
  /** Of each queue that has lines, whether it is served or only known to the store, in one reading. */
  counts(bounds: LineCountsBounds): Promise<readonly LineCounts[]>;
  /** Lets the next request of an order key go that a dead one holds; false if none does. */
  releaseOrder(queue: string, order: string): Promise<boolean>;
}

export type AcceptResult =
  | { readonly kind: "accepted"; readonly receipts: readonly Receipt[] }
  /** The key of `requests[index]` was used with another body (I5). */
  | { readonly kind: "key-reused"; readonly index: number }
  /** The bound of the queue of `requests[index]` is reached (I7). */
  | { readonly kind: "backlog-full"; readonly index: number }
  /** The bound of its group is. */
  | { readonly kind: "group-full"; readonly index: number };

export interface DeliverOptions {
  readonly queue: string;
  readonly max: number;
  /** Bounds those that come back after a failed attempt or a replay. Unless given, they come first. */
  readonly retries?: RetryBounds | undefined;
  readonly signal: AbortSignal;
}

/** Deliveries of a worker, by how far they are. To the store each of them is `running`. */
export interface Deliveries {
  /** Claimed ahead: not begun. */
  readonly claimed: number;
  /** Their handler runs, or their target is being called. */
  readonly running: number;
  /** Their attempt has ended: what came of it is being stored. */
  readonly committing: number;
  /** What was found of how many its target can work on at once, where nobody said. */
  readonly limit?: number;
}

export const noDeliveries: Deliveries = { claimed: 0, running: 0, committing: 0 };

export interface Presence extends Disposable {
  /** Whether the breaker keeps this worker from claiming: its target is out, or the worker lacks a resource of its own. */
  breakerOpen(isOpen: boolean): void;
}

export type SettleResult = "settled" | "superseded";

/** The effect of a transactional handler; what it resolves to is the outcome to be committed with it. */
export type TransactedWork = (sql: Sql) => Promise<Outcome | undefined>;

/** A connection inside a transaction. */
export interface Sql {
  query(text: string, values?: readonly unknown[]): Promise<SqlResult>;
}

export interface SqlResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount: number;
}

export interface StartsAsk {
  readonly queue: string;
  readonly ratePerHour: number;
  /** Starts that may come at once after a pause. */
  readonly burst: number | undefined;
  /** How many at most, from 1. */
  readonly wanted: number;
}

export interface StartsGrant {
  readonly granted: number;
  /** When to ask again for what was not granted, in milliseconds. */
  readonly retryMs: number;
}

export interface RetryOptions {
  /** Milliseconds since 1970; 0 hands the request back at once. */
  readonly dueAt: number;
  /** Recorded as the last error, if given. */
  readonly failure?: Failure | undefined;
  /** Whether the attempt counts. */
  readonly isCounted: boolean;
  /** Whether the handler began, also where the attempt does not count: the request does not expire any more. */
  readonly hasBegun?: boolean | undefined;
}

export interface ListFilter {
  readonly queue?: string | undefined;
  readonly state?: State | undefined;
  readonly key?: string | undefined;
  readonly limit: number;
  /** Only those accepted before this one. */
  readonly before?: RequestId | undefined;
}

export interface QueueStatus {
  readonly queue: string;
  readonly isPaused: boolean;
  /** Undefined while it is not paused. */
  readonly pausedAt: number | undefined;
  readonly accepted: number;
  /** Of these, what this process has in its spool, and no state of; undefined where it has none. */
  readonly spooled?: number;
  readonly backlog: number;
  readonly backlogBytes: number;
  /** When the first of those that wait was accepted; what is scheduled does not wait until it is due. */
  readonly oldestWaitingAt: number | undefined;
  readonly counts: StateCounts;
  /** When the first and the last of what is scheduled is due; undefined while nothing is. */
  readonly firstDueAt: number | undefined;
  readonly lastDueAt: number | undefined;
  /** Workers present for this queue. */
  readonly workers: number;
  /** Of these, those whose breaker keeps them from claiming. */
  readonly breakersOpen: number;
  /** Since when none of its workers delivers: there is none, or the breakers of all are open. */
  readonly stoppedAt: number | undefined;
  /** Of all workers, as they showed last. */
  readonly deliveries: Deliveries;
  readonly accepting: WindowCounts;
  readonly finishing: WindowCounts;
  /** Replicas of its worker that its scaling asked for last; undefined before the first time. */
  readonly replicasAsked: number | undefined;
}

export type MoveResult =
  | { readonly kind: "moved" }
  | { readonly kind: "unknown" }
  /** The request is in a state from which the law knows no such move. */
  | { readonly kind: "refused"; readonly state: State };

export interface ReplayFilter {
  readonly queue: string;
  /** Only those whose error has this code. */
  readonly errorCode?: string | undefined;
  readonly limit: number;
  /** Counts what would be replayed, and changes nothing. */
  readonly isDryRun: boolean;
}

export interface ReplayReport {
  /** Dead requests that fit the filter, whatever its limit, before any is replayed. */
  readonly total: number;
  /** Of these, up to the limit. */
  readonly matched: number;
  readonly replayed: number;
}

export interface CallbacksAsk {
  /** `next` of the page before; from the start unless given. */
  readonly after?: RequestId | undefined;
  /** How many are looked at. */
  readonly max: number;
}

export interface CallbacksPage {
  readonly due: readonly DueCallback[];
  /** Undefined behind the last one. */
  readonly next: RequestId | undefined;
}

export type ToldCallback = Pick<DueCallback, "id" | "round">;

export type Change =
  | { readonly kind: "state"; readonly state: State; readonly at: number }
  | { readonly kind: "progress"; readonly progress: unknown };

/** What carries hints, and what notices and shared rates, from one process of a cluster to the others. */
export interface Carriers {
  readonly hints: "rabbitmq" | "postgres";
  readonly notices: "redis" | "postgres";
}

export interface EngineHealth {
  /** Empty when the engine can accept. */
  readonly problems: readonly Failure[];
  /** What is out without stopping intake: it goes on, with what each of these costs. */
  readonly degradations: readonly Failure[];
}

/** What an engine must know of a queue. */
export interface QueueBounds {
  readonly name: string;
  readonly backlogMax: number;
  readonly backlogBytesMax: number;
  /** Of its order keys, groups and urgencies; the defaults unless given. */
  readonly lines?: LineSettings | undefined;
}
