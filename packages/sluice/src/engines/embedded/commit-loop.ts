// Group commit: all calls that arrived while the last commit was under way share the next one, and its fsync.
// An answer is given only after the commit that holds it (I1, I2). A value that cannot be stored fails its own call (I10).
import { SluiceError } from "../../core/errors.ts";
import { crashPoint } from "../../engine/crash-point.ts";
import { prepareNoteActivity } from "./activity.ts";
import { prepareAccept } from "./accept.ts";
import { prepareCallbacksTold } from "./callbacks.ts";
import type { Answer, FromThread, Problem, WriterCall } from "./calls.ts";
import { prepareCrashed } from "./crash.ts";
import { storeProblemOf } from "./database.ts";
import { Lapses } from "./lapse.ts";
import { prepareDeliver, type Waiter } from "./deliver.ts";
import { packDeliveries } from "./pack.ts";
import { noteKeyed } from "./keyed.ts";
import { prepareOperations } from "./operate.ts";
import type { QueueRow } from "./queue-ledger.ts";
import { prepareRetry } from "./retry.ts";
import { prepareSettle } from "./settle.ts";
import { RefusedValue } from "./refused-value.ts";
import type { Store } from "./store.ts";

export type Post = (message: FromThread, transfer: readonly ArrayBuffer[]) => void;

export interface CommitLoopOptions {
  readonly store: Store;
  readonly nextToken: () => number;
  readonly post: Post;
  /** Crashes after which a request is buried. */
  readonly crashesMax: number;
  /** Why nothing can be accepted now, if so: too little room on the disk. */
  readonly accepting: () => SluiceError | undefined;
}

/** What a transaction hands out, once it is committed. */
interface Serving {
  readonly answers: Answer[];
  readonly transfer: ArrayBuffer[];
  readonly served: Waiter[];
}

const PROBE = "UPDATE meta SET value = value WHERE name = 'generation'";
/** Timers stop while the machine sleeps, and know nothing of a clock that steps: the time is looked at this often. */
const timerMaxMs = 1_000;

export class CommitLoop {
  readonly #store: Store;
  readonly #post: Post;
  readonly #accepting: () => SluiceError | undefined;
  readonly #accept;
  readonly #deliverer;
  readonly #lapses: Lapses;
  readonly #settle;
  readonly #retry;
  readonly #crashed;
  readonly #operations;
  readonly #callbacksTold;
  readonly #noteActivity;
  /** Deliver calls that found nothing yet, by their number. */
  readonly #waiters = new Map<number, Waiter>();
  #arrived: WriterCall[] = [];
  #isTurnDue = false;
  #wakeUp: NodeJS.Timeout | undefined;
  #problem: Problem | undefined;
  /** The file is damaged: nothing is accepted any more. */
  #damage: Problem | undefined;
  /** A rollback may have failed half way: what is in memory is read again before the next transaction. */
  #isStale = false;

  constructor({ store, nextToken, post, crashesMax, accepting }: CommitLoopOptions) {
    this.#store = store;
    this.#post = post;
    this.#accepting = accepting;
    this.#accept = prepareAccept(store);
    this.#lapses = new Lapses(store);
    this.#deliverer = prepareDeliver(store, { nextToken, lapses: this.#lapses });
    this.#settle = prepareSettle(store);
    this.#retry = prepareRetry(store);
    this.#crashed = prepareCrashed(store, crashesMax);
    this.#operations = prepareOperations(store);
    this.#callbacksTold = prepareCallbacksTold(store.db);
    this.#noteActivity = prepareNoteActivity(store.db);
  }

  take(calls: readonly WriterCall[]): void {
    for (const call of calls) this.#arrived.push(call);
    this.#turnSoon();
  }

  /** Runs a step of upkeep in a transaction of its own; after a failed commit it also tries whether one goes through. */
  upkeep(step: () => void): void {
    try {
      this.#transact(() => {
        if (this.#problem !== undefined) this.#store.db.exec(PROBE);
        step();
      });
      this.#tell(this.#accepting());
    } catch (error) {
      this.#tell(this.#problemOf(error));
    }
  }

  /** Ends some of what has expired; whether there may be more. */
  lapse(): boolean {
    let isMore = false;
    this.upkeep(() => (isMore = this.#lapses.step()));
    this.#tellLapsed();
    return isMore;
  }

  /** Something other than a call may have made requests deliverable. */
  lookAgain(): void {
    this.#turnSoon();
  }

  /** Answers every waiting deliver with nothing. */
  stopDelivering(): void {
    clearTimeout(this.#wakeUp);
    this.#post({ answers: [...this.#waiters.keys()].map((call) => ({ call, value: [] })) }, []);
    this.#waiters.clear();
  }

  #turnSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    const calls = this.#arrived;
    this.#arrived = [];
    const answers: Answer[] = [];
    const transfer: ArrayBuffer[] = [];
    const served: Waiter[] = [];
    const servedAt = this.#store.now();
    const startedAt = performance.now();
    try {
      for (const call of calls) this.#noteWaiter(call, answers);
      this.#transactAll(calls, { answers, transfer, served });
      for (const { call } of served) this.#waiters.delete(call);
      this.#crashPoints(calls);
      if (this.#problem !== undefined) this.#tell(this.#accepting());
      this.#tellLapsed();
      if (this.#deliverer.isUnfinished) this.#turnSoon();
      const durationMs = performance.now() - startedAt;
      this.#post({ answers, commit: { kind: "all", calls: calls.length, durationMs } }, transfer);
    } catch (error) {
      this.#fail(calls, answers, this.#problemOf(error));
    }
    this.#wakeWhenDue(servedAt);
  }

  /** All calls in one transaction; once more, each in a savepoint, when it meets a value that cannot be stored. */
  #transactAll(calls: readonly WriterCall[], serving: Serving): void {
    const said = serving.answers.length;
    try {
      this.#transact(() => {
        for (const call of calls) this.#answer(call, serving.answers);
        this.#serveWaiters(serving);
      });
    } catch (error) {
      if (!(error instanceof RefusedValue)) throw error;
      serving.answers.length = said;
      this.#transact(() => {
        for (const call of calls) this.#answerAlone(call, serving.answers);
        this.#serveWaiters(serving);
      });
    }
  }

  #answerAlone(call: WriterCall, answers: Answer[]): void {
    const { db, queues, chains, lines } = this.#store;
    const { mark } = lines;
    db.exec("SAVEPOINT alone");
    try {
      this.#answer(call, answers);
      queues.flush();
      chains.flush();
    } catch (error) {
      if (!(error instanceof RefusedValue)) throw error;
      db.exec("ROLLBACK TO alone");
      queues.reload();
      chains.reset();
      lines.undone(mark);
      answers.push({ call: call.call, error: { code: "value-refused", message: error.message } });
    }
    db.exec("RELEASE alone");
  }

  #transact(work: () => void): void {
    const { db, queues, chains, files, mark } = this.#store;
    if (this.#isStale) this.#readAgain();
    this.#lapses.take(); // of a transaction that was undone
    db.exec("BEGIN IMMEDIATE");
    try {
      // I1: nothing is durable in a file that no path leads to, or that was cut off. Before the work too: what outgrows
      // SQLite's memory is written to the log at once, and a log that was cut off looks whole again.
      files.assertWhole();
      work();
      queues.flush();
      chains.flush();
      files.assertWhole();
      db.exec("COMMIT");
    } catch (error) {
      this.#isStale = true;
      if (db.isTransaction) db.exec("ROLLBACK");
      files.allowOwnCuts(db);
      throw error;
    }
    this.#store.lines.committed();
    files.noteCommit();
    mark.note(queues.position);
  }

  #readAgain(): void {
    this.#store.queues.reload();
    this.#store.chains.reset();
    this.#store.lines.undone();
    this.#isStale = false;
  }

  /** Only what the disk or its file says is a problem of the store; anything else is a defect and stops the process. */
  #problemOf(error: unknown): Problem {
    const found = storeProblemOf(error, this.#store.db);
    if (found === undefined) throw error;
    const problem = { code: found.code, message: found.message };
    if (found.isLasting) this.#damage ??= problem;
    return problem;
  }

  /** Nothing of the group was stored: each of its calls is told so, and every deliver that waits or was just abandoned. */
  #fail(calls: readonly WriterCall[], unsaid: readonly Answer[], problem: Problem): void {
    const failed = new Set([...this.#waiters.keys(), ...unsaid.map(({ call }) => call)]);
    this.#waiters.clear();
    for (const { verb, call } of calls) if (verb !== "abandon") failed.add(call); // which has no answer of its own
    this.#post({ answers: [...failed].map((call) => ({ call, error: problem })) }, []);
    this.#tell(problem);
  }

  #tell(found: Problem | undefined): void {
    const problem = this.#damage ?? found;
    if (problem?.code === this.#problem?.code && problem?.message === this.#problem?.message) return;
    this.#problem = problem && { code: problem.code, message: problem.message };
    this.#post({ answers: [], told: { problem: this.#problem } }, []);
  }

  #tellLapsed(): void {
    const lapsed = this.#lapses.take();
    if (lapsed.length > 0) this.#post({ answers: [], lapsed }, []);
  }

  /** These change nothing in the store, and take effect though their group fails. */
  #noteWaiter(call: WriterCall, answers: Answer[]): void {
    if (call.verb === "deliver") this.#waiters.set(call.call, call);
    else if (call.verb === "abandon" && this.#waiters.delete(call.deliver))
      answers.push({ call: call.deliver, value: [] });
  }

  #answer(call: WriterCall, answers: Answer[]): void {
    try {
      this.#run(call, answers);
    } catch (error) {
      throw RefusedValue.of(error) ?? error;
    }
  }

  #run(call: WriterCall, answers: Answer[]): void {
    switch (call.verb) {
      case "accept": {
        const refusal = this.#damage ?? this.#accepting();
        if (refusal === undefined) answers.push({ call: call.call, value: this.#accept(call.requests) });
        else answers.push({ call: call.call, error: { code: refusal.code, message: refusal.message } });
        break;
      }
      case "deliver":
      case "abandon":
        break; // noted already
      case "settle":
        answers.push({ call: call.call, value: this.#settle(call.claim, call.outcome) });
        break;
      case "retry":
        answers.push({ call: call.call, value: this.#retry(call.claim, call.options) });
        break;
      case "crashed":
        answers.push({ call: call.call, value: this.#crashed(call.claim) });
        this.#deliverer.suspect();
        break;
      case "replay":
        answers.push({ call: call.call, value: this.#operations.replay(call.id) });
        break;
      case "replaySlice":
        answers.push({ call: call.call, value: this.#operations.replaySlice(call.ask) });
        break;
      case "cancel":
        answers.push({ call: call.call, value: this.#operations.cancel(call.id) });
        break;
      case "callbacksTold":
        answers.push({ call: call.call, value: this.#callbacksTold(call.told) });
        break;
      case "noteActivity":
        answers.push({ call: call.call, value: this.#noteActivity(call.activities) });
        break;
      case "pause":
        answers.push({ call: call.call, value: this.#operations.pause(call.queue, call.isPaused) });
        break;
      case "noteKeyed":
        noteKeyed(this.#store.db, call.isKeyed);
        answers.push({ call: call.call });
        break;
      case "askReplicas":
        answers.push({ call: call.call, value: this.#operations.askReplicas(call.queue, call.replicas) });
        break;
      case "setGroup":
        this.#store.lines.setGroup(this.#noOf(call.queue), call.group, call.override);
        answers.push({ call: call.call });
        break;
      case "pauseGroup":
        this.#store.lines.pauseGroup(this.#noOf(call.queue), call.group, call.isPaused);
        answers.push({ call: call.call });
        break;
      case "groups":
        answers.push({ call: call.call, value: this.#store.lines.groups(this.#noOf(call.queue), call.max) });
        break;
      case "heldOrders":
        answers.push({ call: call.call, value: this.#store.lines.held(this.#noOf(call.queue), call.max) });
        break;
      case "lineCounts":
        answers.push({ call: call.call, value: this.#store.lines.counts(this.#store.queues.all(), call.bounds) });
        break;
      case "releaseOrder":
        answers.push({ call: call.call, value: this.#store.lines.release(this.#noOf(call.queue), call.order) });
        break;
      case "close":
        throw new SluiceError("internal", "broken invariant: close is the writer's own call");
      default:
        call satisfies never;
    }
  }

  #noOf(queue: string): number {
    return (this.#store.queues.named(queue) as QueueRow).no;
  }

  #serveWaiters({ answers, transfer, served }: Serving): void {
    for (const { waiter, deliveries } of this.#deliverer.serve(this.#waiters.values())) {
      const packed = packDeliveries(deliveries);
      answers.push({ call: waiter.call, value: packed.value });
      transfer.push(...packed.transfer);
      served.push(waiter);
    }
  }

  /** Sleeps until the next scheduled request that was not due yet when the waiters were last served. */
  #wakeWhenDue(servedAt: number): void {
    clearTimeout(this.#wakeUp);
    if (this.#waiters.size === 0) return;
    let wakeAt = Number.POSITIVE_INFINITY;
    try {
      for (const { queue } of this.#waiters.values()) {
        // What was due already waits for something else, a pause or a suspect that runs alone: its end is a call.
        wakeAt = Math.min(wakeAt, this.#deliverer.nextDueAt(queue, servedAt) ?? wakeAt);
      }
    } catch (error) {
      this.#tell(this.#problemOf(error));
    }
    if (wakeAt === Number.POSITIVE_INFINITY) return;
    const waitMs = Math.ceil(wakeAt - this.#store.now());
    if (waitMs <= 0) this.#turnSoon();
    else this.#wakeUp = setTimeout(() => this.#wakeWhenDue(servedAt), Math.min(waitMs, timerMaxMs));
  }

  #crashPoints(calls: readonly WriterCall[]): void {
    for (const { verb } of calls) {
      if (verb === "accept") crashPoint("accept-committed");
      if (verb === "settle") crashPoint("outcome-committed");
    }
  }
}
