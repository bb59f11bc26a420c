// Shares commits: all calls that arrive while one statement is under way go with the next one. That next one is on its
// way before the last one's answers are given, so that the server works while they are.
import { invariant } from "../../../../core/errors.ts";
import { refusalOf } from "./database.ts";

export interface LaneOptions<Call> {
  /** Commits the calls and answers each; what it throws is the answer of all that have none yet. */
  readonly commit: (calls: readonly Entry<Call>[]) => Promise<void>;
  /** Told of each commit that took. */
  readonly onCommitted?: ((calls: number, durationMs: number) => void) | undefined;
  /** Calls that go with one statement at most. */
  readonly callsMax: number;
  readonly bytesMax?: number;
  readonly bytesOf?: (call: Call) => number;
}

/** A call on its way, with the answer that its caller waits for. */
export interface Entry<Call> {
  readonly call: Call;
  answer(value: unknown): void;
  fail(error: unknown): void;
}

export class Lane<Call> {
  readonly #options: LaneOptions<Call>;
  readonly #waiting: Waiting<Call>[] = [];
  #turns: Promise<void> | undefined;

  constructor(options: LaneOptions<Call>) {
    this.#options = options;
  }

  send<Answer>(call: Call): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.push(new Waiting<Call>(call, resolve as (value: unknown) => void, reject));
    this.#turns ??= this.#run();
    return promise;
  }

  /** Resolves once every call has its answer. */
  async drained(): Promise<void> {
    while (this.#turns !== undefined) await this.#turns;
  }

  async #run(): Promise<void> {
    await new Promise(setImmediate); // what arrives in this turn of the event loop goes along
    while (this.#waiting.length > 0) {
      const calls = this.#take();
      const startedAt = performance.now();
      try {
        await this.#options.commit(calls);
        this.#options.onCommitted?.(calls.length, performance.now() - startedAt);
      } catch (error) {
        for (const entry of calls) entry.fail(error);
      }
      if (this.#waiting.length === 0) release(calls);
      else setImmediate(release, calls);
    }
    this.#turns = undefined;
  }

  #take(): readonly Waiting<Call>[] {
    const { callsMax, bytesMax = Number.POSITIVE_INFINITY, bytesOf = () => 0 } = this.#options;
    let bytes = 0;
    let count = 0;
    for (const { call } of this.#waiting) {
      bytes += bytesOf(call);
      if (count > 0 && (count === callsMax || bytes > bytesMax)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}

/**
 * Commits a group; when the ledger refuses a value of it, each half for itself, until the one call that brought it fails alone
 * (I10). Gives back the others.
 */
export async function committedWithoutRefused<One extends Entry<unknown>>(
  entries: readonly One[],
  commit: (group: readonly One[]) => Promise<void>,
): Promise<readonly One[]> {
  try {
    await commit(entries);
    return entries;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    const [first] = entries;
    if (entries.length === 1) {
      first?.fail(refusal);
      return [];
    }
    const half = entries.length >> 1;
    return [
      ...(await committedWithoutRefused(entries.slice(0, half), commit)),
      ...(await committedWithoutRefused(entries.slice(half), commit)),
    ];
  }
}

/** An entry with its answer, which is kept until it is released. The first answer is the one that counts. */
class Waiting<Call> implements Entry<Call> {
  readonly call: Call;
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;
  #answer: { readonly isFailure: boolean; readonly value: unknown } | undefined;

  constructor(call: Call, resolve: (value: unknown) => void, reject: (error: unknown) => void) {
    this.call = call;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answer(value: unknown): void {
    this.#answer ??= { isFailure: false, value };
  }

  fail(error: unknown): void {
    this.#answer ??= { isFailure: true, value: error };
  }

  release(): void {
    invariant(this.#answer !== undefined, "a committed call has its answer");
    if (this.#answer.isFailure) this.#reject(this.#answer.value);
    else this.#resolve(this.#answer.value);
  }
}

function release(entries: readonly Waiting<unknown>[]): void {
  for (const entry of entries) entry.release();
}
