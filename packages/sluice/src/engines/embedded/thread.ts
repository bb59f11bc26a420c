// A worker thread as seen from the engine: calls out, promises back. What is called in one turn of the event
// loop leaves in one message, and the answers of one commit come back in one.
import { Worker } from "node:worker_threads";
import { invariant, messageOf, SluiceError } from "../../core/errors.ts";
import { Slots } from "../../core/slots.ts";
import type { RequestId } from "../../core/request-id.ts";
import type { OnCommit } from "../../engine/commit.ts";
import type { FromThread, Opening, Problem, Unnumbered } from "./calls.ts";
import type { Packed } from "./pack.ts";

export interface ThreadOptions<Call> {
  readonly file: URL;
  readonly workerData: unknown;
  readonly wrap: (calls: readonly Call[]) => Packed<unknown>;
  readonly onTold?: (problem: Problem | undefined) => void;
  readonly onLapsed?: (ids: readonly RequestId[]) => void;
  readonly onCommit?: OnCommit | undefined;
}

/** What a commit allocates is dead after it: more room for the young is only more memory. */
const maxYoungGenerationSizeMb = 12;
/** The other thread starts on these while this one gathers more: a whole turn's calls at once would leave it idle. */
const callsPerMessage = 16;

interface Pending {
  resolve(value: unknown): void;
  reject(error: SluiceError): void;
}

export class Thread<Call extends { readonly call: number }> {
  readonly #worker: Worker;
  readonly #wrap: (calls: readonly Call[]) => Packed<unknown>;
  readonly #onCommit: OnCommit | undefined;
  readonly #onTold: ((problem: Problem | undefined) => void) | undefined;
  readonly #onLapsed: ((ids: readonly RequestId[]) => void) | undefined;
  readonly #pending = new Slots<Pending>();
  readonly #opening: Promise<Opening>;
  readonly #exited: Promise<void>;
  #outgoing: Call[] = [];

  /** Starts the thread and waits for its first word; rejects with the reason when it refuses. */
  static async open<Call extends { readonly call: number }>(options: ThreadOptions<Call>): Promise<Thread<Call>> {
    const thread = new Thread(options);
    const opening = await thread.#opening;
    // A thread that dies later has met a broken invariant: thrown here, it stops the process loudly.
    thread.#worker.on("error", (error) => {
      throw error;
    });
    if (opening.kind === "opened") return thread;
    await thread.#exited;
    throw new SluiceError(opening.code, opening.message);
  }

  private constructor({ file, workerData, wrap, onTold, onLapsed, onCommit }: ThreadOptions<Call>) {
    this.#wrap = wrap;
    this.#onTold = onTold;
    this.#onLapsed = onLapsed;
    this.#onCommit = onCommit;
    this.#worker = new Worker(file, { workerData, resourceLimits: { maxYoungGenerationSizeMb } });
    this.#exited = new Promise((resolve) => this.#worker.once("exit", () => resolve()));
    this.#opening = new Promise((resolve, reject) => {
      this.#worker.once("error", reject);
      this.#worker.once("message", (opening: Opening) => {
        this.#worker.off("error", reject).on("message", (message: FromThread) => this.#receive(message));
        resolve(opening);
      });
    });
  }

  call<Value>(call: Unnumbered<Call>): Promise<Value> {
    return this.numbered<Value>(call).answer;
  }

  /** As `call`, with the number that another call may refer to. */
  numbered<Value>(call: Unnumbered<Call>): { readonly number: number; readonly answer: Promise<Value> } {
    let number = 0;
    const answer = new Promise<Value>((resolve, reject) => {
      number = this.#pending.add({ resolve, reject });
    });
    this.#push({ ...call, call: number } as unknown as Call);
    return { number, answer };
  }

  /** Sends a call that gets no answer of its own. */
  tell(call: Unnumbered<Call>): void {
    this.#push({ ...call, call: 0 } as unknown as Call);
  }

  #push(call: Call): void {
    if (this.#outgoing.length === 0) setImmediate(() => this.#send());
    this.#outgoing.push(call);
    if (this.#outgoing.length === callsPerMessage) this.#send();
  }

  /** Waits for the thread's end, after a call that closes it. */
  exited(): Promise<void> {
    return this.#exited;
  }

  #send(): void {
    if (this.#outgoing.length === 0) return;
    const calls = this.#outgoing;
    this.#outgoing = [];
    try {
      const { value, transfer } = this.#wrap(calls);
      this.#worker.postMessage(value, transfer);
    } catch (error) {
      this.#sendAlone(calls, error);
    }
  }

  /** One of the calls has a value that cannot cross: it fails alone (I10). */
  #sendAlone(calls: readonly Call[], cause: unknown): void {
    const [call] = calls;
    if (calls.length === 1 && call !== undefined) {
      const message = `a value of this call cannot be handed to the store: ${messageOf(cause)}`;
      this.#pending.take(call.call)?.reject(new SluiceError("value-refused", message, { cause }));
      return;
    }
    for (const one of calls) {
      this.#outgoing = [one];
      this.#send();
    }
  }

  #receive({ answers, commit, told, lapsed }: FromThread): void {
    if (commit !== undefined) this.#onCommit?.(commit);
    if (told !== undefined) this.#onTold?.(told.problem);
    if (lapsed !== undefined) this.#onLapsed?.(lapsed);
    for (const { call, value, error } of answers) {
      const pending = this.#pending.take(call);
      invariant(pending !== undefined, "a call is answered once: its number may be another one's afterwards");
      if (error === undefined) pending.resolve(value);
      else pending.reject(new SluiceError(error.code, error.message));
    }
  }
}
