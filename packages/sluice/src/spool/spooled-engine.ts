// A gateway's engine with a spool in front: while the ledger is out, or the spool holds what the ledger does not have, new
// requests go to the spool; all else is the ledger's. It may start without the ledger, and opens it when it is there.
import type { Activity, ActivityAsk, KeptActivity } from "../core/activity.ts";
import { systemClock, type Clock } from "../core/clock.ts";
import { messageOf, SluiceError } from "../core/errors.ts";
import type { Claim, Content, Delivery, Failure, NewRequest, Outcome, RequestStatus, Result } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import type { AuditOptions, AuditReport, OrderReport, Proof } from "../engine/audit.ts";
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
  ToldCallback,
} from "../engine/engine.ts";
import type { DeadGroup, FailedAttempt } from "../engine/failures.ts";
import { Spool, type SpoolOptions } from "./spool.ts";

export interface SpooledOptions extends Omit<SpoolOptions, "isLedgerBack"> {
  /** Called until it succeeds. Errors with the consequence `unavailable` let the gateway start without it. */
  readonly openLedger: () => Promise<Engine>;
  /** What the ledger's engine uses, said before it is open as well. */
  readonly carriers: Carriers;
}

/** Errors: those of `openStore`, and those of `openLedger` that do not pass. */
export async function openSpooled(options: SpooledOptions): Promise<Engine> {
  const ledger = new Ledger(options.openLedger);
  try {
    await ledger.reach();
  } catch (error) {
    if (!(error instanceof SluiceError) || error.consequence !== "unavailable") throw error;
    options.log.warn({ err: error }, "started without the ledger");
  }
  try {
    const spool = await Spool.open({ ...options, isLedgerBack: () => ledger.isBack() });
    if (ledger.engine === undefined) spool.begin();
    return new SpooledEngine({ ledger, spool, carriers: options.carriers });
  } catch (error) {
    await ledger.close();
    throw error;
  }
}

/** The ledger's engine, from when it could be opened. */
class Ledger {
  readonly #open: () => Promise<Engine>;
  engine: Engine | undefined;
  /** Why it could not be opened. */
  #failure = "";

  constructor(open: () => Promise<Engine>) {
    this.#open = open;
  }

  async reach(): Promise<Engine> {
    try {
      this.engine ??= await this.#open();
      return this.engine;
    } catch (error) {
      this.#failure = messageOf(error);
      throw error;
    }
  }

  async isBack(): Promise<boolean> {
    await this.reach();
    return this.outages().length === 0;
  }

  /** What keeps requests from it. */
  outages(): readonly Failure[] {
    if (this.engine === undefined) return [{ code: "store-unavailable", message: this.#failure }];
    return this.engine.health().problems;
  }

  /** Errors: `store-unavailable` before it was opened. */
  get(): Engine {
    if (this.engine === undefined) throw new SluiceError("store-unavailable", this.#failure);
    return this.engine;
  }

  async close(): Promise<void> {
    await this.engine?.close();
  }
}

class SpooledEngine implements Engine {
  readonly clock: Clock;
  readonly carriers: Carriers;
  readonly #ledger: Ledger;
  readonly #spool: Spool;
  #closing: Promise<void> | undefined;

  constructor({ ledger, spool, carriers }: { ledger: Ledger; spool: Spool; carriers: Carriers }) {
    this.carriers = carriers;
    this.#ledger = ledger;
    this.#spool = spool;
    const clock = (): Clock => ledger.engine?.clock ?? systemClock;
    this.clock = { now: () => clock().now(), monotonic: () => clock().monotonic() };
  }

  async accept(requests: readonly NewRequest[]): Promise<AcceptResult> {
    for (;;) {
      if (this.#closing !== undefined) throw new SluiceError("draining", "the engine is closed");
      if (this.#spool.hold !== undefined) {
        await this.#spool.hold;
        continue;
      }
      if (!this.#spool.isDirect) return this.#spool.accept(requests);
      if (this.#ledger.outages().length === 0) {
        try {
          return await this.#ledger.get().accept(requests);
        } catch (error) {
          if (!mayBeSpooled(error, requests)) throw error;
        }
      }
      this.#spool.begin();
    }
  }

  /** The spool first: what it does not have by then is in the ledger, if it is anywhere. */
  async read(id: RequestId): Promise<RequestStatus | undefined> {
    return this.#readBoth(await this.#spool.read(id), (ledger) => ledger.read(id));
  }

  async readBody(id: RequestId): Promise<Content | undefined> {
    return this.#readBoth(await this.#spool.readBody(id), (ledger) => ledger.readBody(id));
  }

  async #readBoth<Value>(
    spooled: Value | undefined,
    read: (ledger: Engine) => Promise<Value | undefined>,
  ): Promise<Value | undefined> {
    if (spooled !== undefined && this.#ledger.outages().length > 0) return spooled;
    try {
      return (await read(this.#ledger.get())) ?? spooled;
    } catch (error) {
      if (spooled === undefined) throw error;
      return spooled;
    }
  }

  async backlog(queue?: string): Promise<readonly QueueStatus[]> {
    const statuses = await this.#ledger.get().backlog(queue);
    return statuses.map((status) => this.#withSpooled(status));
  }

  #withSpooled<Counts extends { readonly queue: string; readonly accepted: number }>(counts: Counts): Counts {
    const spooled = this.#spool.countOf(counts.queue);
    return { ...counts, accepted: counts.accepted + spooled, spooled };
  }

  health(): EngineHealth {
    const outages = this.#ledger.outages();
    const { degradations = [] } = this.#ledger.engine?.health() ?? {};
    const { problem, damage, isDirect, count, failure } = this.#spool;
    const noted = [...degradations, ...(damage === undefined ? [] : [damage])];
    if (isDirect && outages.length === 0) return { problems: [], degradations: problem ? [...noted, problem] : noted };
    const why = failure === "" ? "" : `; the last try ended with: ${failure}`;
    const message = `${count} requests are in the spool of this gateway, and go to the ledger when it is back${why}`;
    const going = [...outages, ...noted, { code: "spooling", message }];
    return problem === undefined ? { problems: [], degradations: going } : { problems: [problem], degradations: going };
  }

  async replay(id: RequestId): Promise<MoveResult> {
    return this.#moved(id, await this.#ledger.get().replay(id));
  }

  async cancel(id: RequestId): Promise<MoveResult> {
    return this.#moved(id, await this.#ledger.get().cancel(id));
  }

  /** What the spool holds cannot be moved: the page that it goes with may be on its way. */
  async #moved(id: RequestId, result: MoveResult): Promise<MoveResult> {
    if (result.kind !== "unknown" || (await this.#spool.read(id)) === undefined) return result;
    throw new SluiceError("store-unavailable", "the request is in the spool: try again when the ledger has it", {
      retryAfterSeconds: 1,
    });
  }

  readonly lines: LineOperations = {
    setGroup: async (...ask) => this.#ledger.get().lines.setGroup(...ask),
    pauseGroup: async (...ask) => this.#ledger.get().lines.pauseGroup(...ask),
    groups: async (...ask) => this.#ledger.get().lines.groups(...ask),
    heldOrders: async (...ask) => this.#ledger.get().lines.heldOrders(...ask),
    counts: async (...ask) => this.#ledger.get().lines.counts(...ask),
    releaseOrder: async (...ask) => this.#ledger.get().lines.releaseOrder(...ask),
  };

  watch(id: RequestId, onChange: (change: Change) => void): Disposable {
    return this.#ledger.engine?.watch(id, onChange) ?? { [Symbol.dispose]: () => {} };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#spool.close();
    await this.#ledger.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async deliver(options: DeliverOptions): Promise<readonly Delivery[]> {
    return this.#ledger.get().deliver(options);
  }

  async settle(claim: Claim, outcome: Outcome): Promise<SettleResult> {
    return this.#ledger.get().settle(claim, outcome);
  }

  async retry(claim: Claim, options: RetryOptions): Promise<SettleResult> {
    return this.#ledger.get().retry(claim, options);
  }

  report(claim: Claim, progress: unknown): void {
    this.#ledger.get().report(claim, progress);
  }

  async readResult(id: RequestId): Promise<Result | undefined> {
    return this.#ledger.get().readResult(id);
  }

  async readFailures(id: RequestId): Promise<readonly FailedAttempt[]> {
    return this.#ledger.get().readFailures(id);
  }

  async deadByError(queue: string): Promise<readonly DeadGroup[]> {
    return this.#ledger.get().deadByError(queue);
  }

  async list(filter: ListFilter): Promise<readonly RequestStatus[]> {
    return this.#ledger.get().list(filter);
  }

  async askReplicas(queue: string, replicas: number): Promise<void> {
    await this.#ledger.get().askReplicas(queue, replicas);
  }

  async replayMany(filter: ReplayFilter): Promise<ReplayReport> {
    return this.#ledger.get().replayMany(filter);
  }

  async callbacksDue(ask: CallbacksAsk): Promise<CallbacksPage> {
    return this.#ledger.get().callbacksDue(ask);
  }

  async callbacksTold(told: readonly ToldCallback[]): Promise<void> {
    await this.#ledger.get().callbacksTold(told);
  }

  async pause(queue: string, isPaused: boolean): Promise<void> {
    await this.#ledger.get().pause(queue, isPaused);
  }

  async noteActivity(activities: readonly Activity[]): Promise<void> {
    await this.#ledger.get().noteActivity(activities);
  }

  async listActivity(ask: ActivityAsk): Promise<readonly KeptActivity[]> {
    return this.#ledger.get().listActivity(ask);
  }

  async audit(options?: Partial<AuditOptions>): Promise<AuditReport> {
    const report = await this.#ledger.get().audit(options);
    return { ...report, queues: report.queues.map((audit) => this.#withSpooled(audit)) };
  }

  async auditOrder(): Promise<OrderReport> {
    return this.#ledger.get().auditOrder();
  }

  async prove(id: RequestId): Promise<Proof> {
    return this.#ledger.get().prove(id);
  }

  readonly heal = async (): Promise<number> => (await this.#ledger.get().heal?.()) ?? 0;

  attend(queue: string, holding?: () => Deliveries): Presence {
    return this.#ledger.get().attend(queue, holding);
  }
}

/**
 * Whether the ledger refused it because it is out, for certain. One that it may have stored goes to the spool only by its key,
 * under which both become one.
 */
function mayBeSpooled(error: unknown, requests: readonly NewRequest[]): boolean {
  if (!(error instanceof SluiceError)) return false;
  if (error.isInDoubt) return requests.every(({ key }) => key !== undefined);
  return error.code === "store-unavailable" || error.code === "disk-full";
}
