// The cluster engine in one process: its lanes to the ledger, its hints from the broker, its notices through Redis or the ledger.
// It owns the claims it made and the connections; every fact about a request is the ledger's.
import type { Activity, ActivityAsk, KeptActivity } from "../../core/activity.ts";
import type { Clock } from "../../core/clock.ts";
import { SluiceError } from "../../core/errors.ts";
import type { Claim, Content, Delivery, NewRequest, Outcome, RequestStatus, State } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import { crashPoint } from "../../engine/crash-point.ts";
import type { AuditOptions, AuditReport, OrderReport, Proof } from "../../engine/audit.ts";
import type {
  AcceptResult,
  CallbacksAsk,
  CallbacksPage,
  Carriers,
  Change,
  Deliveries,
  DeliverOptions,
  Engine,
  EngineHealth,
  LineOperations,
  ListFilter,
  MoveResult,
  Presence,
  QueueStatus,
  ReplayFilter,
  ReplayReport,
  RetryOptions,
  SettleResult,
  StartsAsk,
  StartsGrant,
  ToldCallback,
  TransactedWork,
} from "../../engine/engine.ts";
import type { DeadGroup, FailedAttempt } from "../../engine/failures.ts";
import { Progress } from "../shared/progress.ts";
import { replayInSlices } from "../shared/replay-slices.ts";
import { listActivity, noteActivity } from "./ledger/activity.ts";
import { auditLedger } from "./audit/audit.ts";
import { prove } from "./audit/audit-chain.ts";
import { auditOrder } from "./audit/audit-order.ts";
import { heal } from "./audit/audit-rows.ts";
import { callbacksDue, callbacksTold } from "./ledger/callbacks.ts";
import type { Connected } from "./ledger/connection/database.ts";
import { countDead, deadByError } from "./ledger/dead-by-error.ts";
import { handBackAtClose } from "./leader/give-back.ts";
import { groupsOf, heldOrders, lineCounts, pauseGroup, releaseOrder, setGroup } from "./ledger/lines.ts";
import { listRequests } from "./ledger/list.ts";
import type { OutboxRow } from "./carriers/carrier.ts";
import { askReplicas, cancel, pause, replay, replaySlice } from "./ledger/operate.ts";
import type { Parts } from "./parts.ts";
import { readQueues } from "./ledger/read-queues.ts";
import { readBody, readFailures, readRequest, readResult } from "./ledger/read.ts";
import type { RetryCall } from "./ledger/retry.ts";
import type { SettleCall } from "./ledger/settle.ts";
import { Taps } from "./carriers/taps.ts";
import { transact } from "./ledger/transact.ts";
import { WaitingBound } from "../shared/waiting-bound.ts";

export class ClusterEngine implements Engine {
  readonly clock: Clock;
  readonly carriers: Carriers;
  readonly #parts: Parts;
  readonly #taps: Taps;
  readonly #progress = new Progress();
  /** Claims whose settle got no answer: the next one may find its own outcome. */
  readonly #unanswered = new Set<number>();
  readonly #waiting = new WaitingBound();
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.#taps = new Taps(parts.carriers, parts.deliverer);
    this.carriers = parts.carrierNames;
  }

  /** What the carriers have handed to this process and no claim has tried yet. */
  hinted(queue: string): readonly RequestId[] {
    return this.#parts.deliverer.bufferOf(queue).ids();
  }

  /** Gives the rows that a spool of this process has brought to the carrier. */
  tell(rows: readonly OutboxRow[]): Promise<void> {
    return this.#parts.outbox.tell(rows);
  }

  async accept(requests: readonly NewRequest[]): Promise<AcceptResult> {
    this.#assertOpen();
    const { accepting, queues } = this.#parts;
    for (const { queue } of requests) queues.noOf(queue);
    using _room = this.#waiting.enter(requests);
    return await this.#heeding(accepting.send<AcceptResult>(requests));
  }

  async deliver(options: DeliverOptions): Promise<readonly Delivery[]> {
    this.#parts.queues.noOf(options.queue);
    if (options.signal.aborted || this.#closing !== undefined) return [];
    this.#taps.open(options.queue, options.max);
    const deliveries = await this.#parts.deliverer.deliver(options);
    for (const { claim } of deliveries) this.#changed(claim.id, "running");
    return deliveries;
  }

  async settle(claim: Claim, outcome: Outcome): Promise<SettleResult> {
    this.#assertOpen();
    const isAgain = this.#unanswered.has(claim.token);
    this.#unanswered.add(claim.token);
    const call: SettleCall = { kind: "settle", claim, outcome, isAgain };
    const result = await this.#heeding(this.#parts.settling.send<SettleResult>(call));
    if (result === "settled") this.#changed(claim.id, outcome.kind);
    this.#ended(claim);
    return result;
  }

  async retry(claim: Claim, options: RetryOptions): Promise<SettleResult> {
    this.#assertOpen();
    const call: RetryCall = { kind: "retry", claim, options };
    const result = await this.#heeding(this.#parts.settling.send<SettleResult>(call));
    const isFuture = options.dueAt > this.#parts.clock.now();
    if (result === "settled") this.#changed(claim.id, isFuture ? "scheduled" : "waiting");
    this.#ended(claim);
    return result;
  }

  readonly transact = async (claim: Claim, work: TransactedWork): Promise<SettleResult | "rolled-back"> => {
    this.#assertOpen();
    const { result, state } = await this.#heeding(transact(claim, work, this.#parts));
    if (result === "rolled-back") return result;
    crashPoint("outcome-committed");
    if (state !== undefined) this.#changed(claim.id, state);
    this.#ended(claim);
    return result;
  };

  readonly starts = (ask: StartsAsk): Promise<StartsGrant> => this.#parts.sharedRate.take(ask);

  report(claim: Claim, progress: unknown): void {
    this.#progress.note(claim, progress);
    const { id } = claim;
    const change: Change = { kind: "progress", progress };
    this.#parts.watchers.tell(id, change);
    this.#parts.notices.publish([{ id, change }]);
  }

  async read(id: RequestId): Promise<RequestStatus | undefined> {
    const status = await this.#look((db) => readRequest(db, id, this.#now()));
    return status && this.#progress.addTo(status);
  }

  async readBody(id: RequestId): Promise<Content | undefined> {
    return this.#look((db) => readBody(db, id));
  }

  async readResult(id: RequestId): Promise<Content | undefined> {
    return this.#look((db) => readResult(db, id));
  }

  async readFailures(id: RequestId): Promise<readonly FailedAttempt[]> {
    return this.#look((db) => readFailures(db, id));
  }

  async deadByError(queue: string): Promise<readonly DeadGroup[]> {
    return this.#look((db) => deadByError(db, queue));
  }

  async list(filter: ListFilter): Promise<readonly RequestStatus[]> {
    const found = await this.#look((db) => listRequests(db, filter, this.#now()));
    return found.map((status) => this.#progress.addTo(status));
  }

  async backlog(queue?: string): Promise<readonly QueueStatus[]> {
    this.#assertOpen();
    return this.#heeding(readQueues(this.#parts, this.#now(), queue));
  }

  async replay(id: RequestId): Promise<MoveResult> {
    const result = await this.#operate(() => replay(id, this.#parts.operate));
    if (result.kind === "moved") this.#changed(id, "waiting");
    return result;
  }

  async replayMany(filter: ReplayFilter): Promise<ReplayReport> {
    const total = await this.#look((db) => countDead(db, filter));
    return replayInSlices(filter, total, async (ask) => {
      const slice = await this.#operate(() => replaySlice(ask, this.#parts.operate));
      for (const id of slice.ids) this.#changed(id, "waiting");
      return slice;
    });
  }

  async cancel(id: RequestId): Promise<MoveResult> {
    const result = await this.#operate(() => cancel(id, this.#parts.operate));
    if (result.kind === "moved") this.#changed(id, "cancelled");
    return result;
  }

  async callbacksDue(ask: CallbacksAsk): Promise<CallbacksPage> {
    return this.#look((db) => callbacksDue(db, ask));
  }

  async callbacksTold(told: readonly ToldCallback[]): Promise<void> {
    await this.#operate(() => callbacksTold(this.#parts.operate.connection, told));
  }

  async pause(queue: string, isPaused: boolean): Promise<void> {
    await this.#operate(() => pause(queue, isPaused, this.#parts.operate));
    this.#parts.notices.publishQueues();
    this.#parts.deliverer.serve();
  }

  async askReplicas(queue: string, replicas: number): Promise<void> {
    await this.#operate(() => askReplicas(queue, replicas, this.#parts.operate));
  }

  async noteActivity(activities: readonly Activity[]): Promise<void> {
    await this.#operate(() => noteActivity(this.#parts.operate.connection, activities));
  }

  async listActivity(ask: ActivityAsk): Promise<readonly KeptActivity[]> {
    return this.#look((db) => listActivity(db, ask));
  }

  async audit({ timeoutMsOf = new Map() }: Partial<AuditOptions> = {}): Promise<AuditReport> {
    this.#assertOpen();
    const { auditing, auditConnection } = this.#parts;
    const audit = (): Promise<AuditReport> => auditLedger(auditConnection, this.#now(), { timeoutMsOf });
    return this.#heeding(auditing.send(audit));
  }

  async auditOrder(): Promise<OrderReport> {
    this.#assertOpen();
    const { auditing, auditConnection } = this.#parts;
    return this.#heeding(auditing.send(() => auditOrder(auditConnection)));
  }

  async prove(id: RequestId): Promise<Proof> {
    return this.#look((db) => prove(db, id));
  }

  readonly heal = async (): Promise<number> => {
    const { connection, outbox } = this.#parts.operate;
    const { healed, told } = await this.#operate(() => connection.transaction((inside) => heal(inside, this.#now())));
    void outbox.tell(told);
    return healed;
  };

  readonly lines: LineOperations = {
    setGroup: async (queue, group, override) =>
      this.#operate(() => setGroup(this.#parts.operate.connection, this.#no(queue), { group, override })),
    pauseGroup: async (queue, group, isPaused) =>
      this.#operate(() => pauseGroup(this.#parts.operate.connection, this.#no(queue), { group, isPaused })),
    groups: async (queue, max) => this.#look((db) => groupsOf(db, this.#no(queue), max)),
    heldOrders: async (queue, max) => this.#look((db) => heldOrders(db, this.#no(queue), max)),
    counts: async (bounds) => this.#look((db) => lineCounts(db, bounds)),
    releaseOrder: async (queue, order) =>
      this.#operate(() => releaseOrder(this.#parts.operate.connection, this.#no(queue), order)),
  };

  watch(id: RequestId, onChange: (change: Change) => void): Disposable {
    const { notices, watchers } = this.#parts;
    const watch = watchers.add(id, onChange);
    notices.listen();
    return watch;
  }

  attend(queue: string, holding?: () => Deliveries): Presence {
    return this.#parts.session.roster.attend(queue, holding);
  }

  health(): EngineHealth {
    return this.#parts.outages.health();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { deliverer, accepting, settling, operating, auditing, outbox, leader, session, watchers } = this.#parts;
    watchers.close();
    await deliverer.close();
    await Promise.all([accepting, settling, operating, auditing].map((lane) => lane.drained()));
    await leader.close();
    await handBackAtClose(this.#parts);
    await this.#taps.close();
    await outbox.close();
    await session.close();
    await this.#parts.dispose();
  }

  async #look<Value>(look: (db: Connected) => Promise<Value>): Promise<Value> {
    this.#assertOpen();
    return this.#heeding(look(this.#parts.reading));
  }

  /** What people ask for takes turns: each has the connection to itself. */
  async #operate<Value>(call: () => Promise<Value>): Promise<Value> {
    this.#assertOpen();
    return this.#heeding(this.#parts.operating.send<Value>(call));
  }

  /** An unavailable store is seen at once, not at the next beat. */
  async #heeding<Value>(answer: Promise<Value>): Promise<Value> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof SluiceError) this.#parts.heed(error);
      throw error;
    }
  }

  #ended(claim: Claim): void {
    this.#unanswered.delete(claim.token);
    this.#progress.forget(claim);
    this.#parts.deliverer.ended(claim);
  }

  #changed(id: RequestId, state: State): void {
    const change: Change = { kind: "state", state, at: this.#now() };
    this.#parts.watchers.tell(id, change);
    this.#parts.notices.publish([{ id, change }]);
  }

  #no(queue: string): number {
    return this.#parts.queues.noOf(queue);
  }

  #now(): number {
    return this.clock.now();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new SluiceError("draining", "the engine is closed");
  }
}
