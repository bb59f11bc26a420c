// The embedded engine on the process's own thread: sends calls to the writer and the reader, keeps who watches
// what, and bounds what is under way. It holds no request that the store does not.
import type { Activity, ActivityAsk, KeptActivity } from "../../core/activity.ts";
import type { GroupStatus, HeldOrder, LineCounts } from "../../core/line-settings.ts";
import type { Clock } from "../../core/clock.ts";
import { SluiceError } from "../../core/errors.ts";
import { RateMeter } from "../../core/rate-meter.ts";
import type { Claim, Content, Delivery, NewRequest, Outcome, RequestStatus, State } from "../../core/request.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { AuditOptions, AuditReport, OrderReport, Proof } from "../../engine/audit.ts";
import type {
  AcceptResult,
  CallbacksAsk,
  CallbacksPage,
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
  ToldCallback,
} from "../../engine/engine.ts";
import { noDeliveries } from "../../engine/engine.ts";
import type { DeadGroup, FailedAttempt } from "../../engine/failures.ts";
import { Roster, type Attendance } from "../shared/presence.ts";
import { Progress } from "../shared/progress.ts";
import { replayInSlices, type ReplaySlice } from "../shared/replay-slices.ts";
import type { Audits } from "./audits.ts";
import type { Crashed } from "./crash.ts";
import type { Problem, ReaderCall, Unnumbered, WriterCall } from "./calls.ts";
import type { OpenFiles } from "./open-files.ts";
import type { ReaderVerbs } from "./reader-verbs.ts";
import type { Thread } from "./thread.ts";
import { WaitingBound } from "../shared/waiting-bound.ts";
import type { Watchers } from "../shared/watchers.ts";

export interface EmbeddedEngineOptions {
  readonly writer: Thread<WriterCall>;
  readonly reader: Thread<ReaderCall>;
  readonly audits: Audits;
  /** The names of the queues that are served. */
  readonly queues: readonly string[];
  readonly clock: Clock;
  readonly watchers: Watchers;
  readonly problem: () => Problem | undefined;
  /** What a read has met that cannot be read: other reads go on, and so does intake. */
  readonly damage: () => Problem | undefined;
  readonly files: OpenFiles;
}

interface QueueTraffic {
  readonly accepting: RateMeter;
  readonly finishing: RateMeter;
}

export class EmbeddedEngine implements Engine {
  readonly #writer: Thread<WriterCall>;
  readonly #reader: Thread<ReaderCall>;
  readonly #audits: Audits;
  readonly clock: Clock;
  readonly carriers = undefined;
  readonly #problem: () => Problem | undefined;
  readonly #damage: () => Problem | undefined;
  readonly #files: OpenFiles;
  readonly #traffic: ReadonlyMap<string, QueueTraffic>;
  readonly #roster: Roster;
  /** Before, nobody worked on anything that is stored here. */
  readonly #openedAt: number;
  readonly #watchers: Watchers;
  readonly #progress = new Progress();
  readonly #waiting = new WaitingBound();
  #closing: Promise<void> | undefined;

  constructor({ writer, reader, audits, queues, clock, watchers, problem, damage, files }: EmbeddedEngineOptions) {
    this.#traffic = new Map(queues.map((queue) => [queue, newTraffic(clock)]));
    this.#writer = writer;
    this.#reader = reader;
    this.#audits = audits;
    this.clock = clock;
    this.#watchers = watchers;
    this.#roster = new Roster(() => clock.now());
    this.#openedAt = clock.now();
    this.#problem = problem;
    this.#damage = damage;
    this.#files = files;
  }

  async accept(requests: readonly NewRequest[]): Promise<AcceptResult> {
    this.#assertOpen();
    for (const { queue } of requests) this.#trafficOf(queue);
    using _room = this.#waiting.enter(requests);
    const result = await this.#writer.call<AcceptResult>({ verb: "accept", requests });
    if (result.kind === "accepted") {
      for (const { queue, isReplayed } of result.receipts) if (!isReplayed) this.#trafficOf(queue).accepting.add(1);
    }
    return result;
  }

  async deliver({ queue, max, retries, signal }: DeliverOptions): Promise<readonly Delivery[]> {
    this.#trafficOf(queue);
    if (signal.aborted || this.#closing !== undefined) return [];
    const { number, answer } = this.#writer.numbered<readonly Delivery[]>({ verb: "deliver", queue, max, retries });
    const abandon = (): void => this.#writer.tell({ verb: "abandon", deliver: number });
    signal.addEventListener("abort", abandon, { once: true });
    try {
      const deliveries = await answer;
      for (const { claim } of deliveries) this.#changed(claim.id, "running");
      return deliveries;
    } finally {
      signal.removeEventListener("abort", abandon);
    }
  }

  async settle(claim: Claim, outcome: Outcome): Promise<SettleResult> {
    this.#assertOpen();
    const result = await this.#writer.call<SettleResult>({ verb: "settle", claim, outcome });
    if (result === "settled") {
      this.#trafficOf(claim.queue).finishing.add(1);
      this.#changed(claim.id, outcome.kind);
    }
    this.#progress.forget(claim);
    return result;
  }

  async retry(claim: Claim, options: RetryOptions): Promise<SettleResult> {
    this.#assertOpen();
    const result = await this.#writer.call<SettleResult>({ verb: "retry", claim, options });
    if (result === "settled") this.#changed(claim.id, options.dueAt > this.clock.now() ? "scheduled" : "waiting");
    this.#progress.forget(claim);
    return result;
  }

  async crashed(claim: Claim): Promise<SettleResult> {
    this.#assertOpen();
    const state = await this.#writer.call<Crashed>({ verb: "crashed", claim });
    this.#progress.forget(claim);
    if (state === "superseded") return state;
    if (state === "dead") this.#trafficOf(claim.queue).finishing.add(1);
    this.#changed(claim.id, state);
    return "settled";
  }

  report(claim: Claim, progress: unknown): void {
    this.#progress.note(claim, progress);
    this.#watchers.tell(claim.id, { kind: "progress", progress });
  }

  async read(id: RequestId): Promise<RequestStatus | undefined> {
    const status = await this.#look("read", id, this.clock.now());
    return status && this.#progress.addTo(status);
  }

  async readBody(id: RequestId): Promise<Content | undefined> {
    return this.#look("readBody", id);
  }

  async readResult(id: RequestId): Promise<Content | undefined> {
    return this.#look("readResult", id);
  }

  async readFailures(id: RequestId): Promise<readonly FailedAttempt[]> {
    return this.#look("readFailures", id);
  }

  async deadByError(queue: string): Promise<readonly DeadGroup[]> {
    return this.#look("deadByError", queue);
  }

  async list(filter: ListFilter): Promise<readonly RequestStatus[]> {
    const found = await this.#look("list", filter, this.clock.now());
    return found.map((status) => this.#progress.addTo(status));
  }

  async backlog(queue?: string): Promise<readonly QueueStatus[]> {
    const stored = await this.#look("backlog", this.clock.now(), queue);
    return stored.map((status) => {
      const traffic = this.#traffic.get(status.queue) ?? newTraffic(this.clock);
      const attendance = this.#roster.of(status.queue) ?? this.#unattended;
      const [accepting, finishing] = [traffic.accepting.counts(), traffic.finishing.counts()];
      return { ...status, ...attendance, accepting, finishing };
    });
  }

  async replay(id: RequestId): Promise<MoveResult> {
    this.#assertOpen();
    const result = await this.#writer.call<MoveResult>({ verb: "replay", id });
    if (result.kind === "moved") this.#changed(id, "waiting");
    return result;
  }

  async replayMany(filter: ReplayFilter): Promise<ReplayReport> {
    this.#assertOpen();
    this.#trafficOf(filter.queue);
    const total = await this.#look("countDead", filter);
    return replayInSlices(filter, total, async (ask) => {
      this.#assertOpen();
      const slice = await this.#writer.call<ReplaySlice>({ verb: "replaySlice", ask });
      for (const id of slice.ids) this.#changed(id, "waiting");
      return slice;
    });
  }

  async cancel(id: RequestId): Promise<MoveResult> {
    this.#assertOpen();
    const result = await this.#writer.call<MoveResult>({ verb: "cancel", id });
    if (result.kind === "moved") this.#changed(id, "cancelled");
    return result;
  }

  async callbacksDue(ask: CallbacksAsk): Promise<CallbacksPage> {
    return this.#look("callbacksDue", ask);
  }

  async callbacksTold(told: readonly ToldCallback[]): Promise<void> {
    this.#assertOpen();
    await this.#writer.call({ verb: "callbacksTold", told });
  }

  async pause(queue: string, isPaused: boolean): Promise<void> {
    this.#assertOpen();
    this.#trafficOf(queue);
    await this.#writer.call({ verb: "pause", queue, isPaused });
  }

  readonly lines: LineOperations = {
    setGroup: (queue, group, override) => this.#lined<undefined>({ verb: "setGroup", queue, group, override }),
    pauseGroup: (queue, group, isPaused) => this.#lined<undefined>({ verb: "pauseGroup", queue, group, isPaused }),
    groups: (queue, max) => this.#lined<readonly GroupStatus[]>({ verb: "groups", queue, max }),
    heldOrders: (queue, max) => this.#lined<readonly HeldOrder[]>({ verb: "heldOrders", queue, max }),
    counts: async (bounds) => {
      this.#assertOpen();
      return this.#writer.call<readonly LineCounts[]>({ verb: "lineCounts", bounds });
    },
    releaseOrder: (queue, order) => this.#lined<boolean>({ verb: "releaseOrder", queue, order }),
  };

  async askReplicas(queue: string, replicas: number): Promise<void> {
    this.#assertOpen();
    this.#trafficOf(queue);
    await this.#writer.call({ verb: "askReplicas", queue, replicas });
  }

  async noteActivity(activities: readonly Activity[]): Promise<void> {
    this.#assertOpen();
    await this.#writer.call({ verb: "noteActivity", activities });
  }

  async listActivity(ask: ActivityAsk): Promise<readonly KeptActivity[]> {
    return this.#look("listActivity", ask);
  }

  async audit({ timeoutMsOf = new Map() }: Partial<AuditOptions> = {}): Promise<AuditReport> {
    this.#assertOpen();
    this.#files.assertInPlace(); // or it would prove what the next start does not find
    return this.#audits.audit(this.clock.now(), { timeoutMsOf });
  }

  async auditOrder(): Promise<OrderReport> {
    this.#assertOpen();
    this.#files.assertInPlace();
    return this.#audits.auditOrder();
  }

  async prove(id: RequestId): Promise<Proof> {
    this.#assertOpen();
    this.#files.assertInPlace();
    return this.#look("prove", id);
  }

  watch(id: RequestId, onChange: (change: Change) => void): Disposable {
    return this.#watchers.add(id, onChange);
  }

  attend(queue: string, holding?: () => Deliveries): Presence {
    this.#trafficOf(queue);
    return this.#roster.attend(queue, holding);
  }

  async wasKeyed(): Promise<boolean> {
    return this.#look("wasKeyed");
  }

  async noteKeyed(isKeyed: boolean): Promise<void> {
    this.#assertOpen();
    await this.#writer.call({ verb: "noteKeyed", isKeyed });
  }

  health(): EngineHealth {
    const [problem, damage] = [this.#problem(), this.#damage()];
    return { problems: problem ? [problem] : [], degradations: damage ? [damage] : [] };
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeThreads();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #closeThreads(): Promise<void> {
    await this.#audits.close();
    await this.#reader.call({ verb: "close", args: [] });
    await this.#writer.call({ verb: "close" });
    await Promise.all([this.#reader.exited(), this.#writer.exited()]);
  }

  async #look<Verb extends keyof ReaderVerbs>(
    verb: Verb,
    ...args: Parameters<ReaderVerbs[Verb]>
  ): Promise<ReturnType<ReaderVerbs[Verb]>> {
    this.#assertOpen();
    return this.#reader.call({ verb, args } as Unnumbered<ReaderCall>);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new SluiceError("draining", "the engine is closed");
  }

  async #lined<Value>(call: Unnumbered<Extract<WriterCall, { readonly queue: string }>>): Promise<Value> {
    this.#assertOpen();
    this.#trafficOf(call.queue);
    return await this.#writer.call<Value>(call);
  }

  get #unattended(): Attendance {
    return { workers: 0, breakersOpen: 0, stoppedAt: this.#openedAt, deliveries: noDeliveries };
  }

  /** The store may know more queues than are served: those can be read, and nothing else. */
  #trafficOf(queue: string): QueueTraffic {
    const traffic = this.#traffic.get(queue);
    if (traffic === undefined) throw new SluiceError("unknown-queue", `there is no queue "${queue}"`);
    return traffic;
  }

  #changed(id: RequestId, state: State): void {
    if (!this.#watchers.isEmpty) this.#watchers.tell(id, { kind: "state", state, at: this.clock.now() });
  }
}

function newTraffic(clock: Clock): QueueTraffic {
  return { accepting: new RateMeter(clock), finishing: new RateMeter(clock) };
}
