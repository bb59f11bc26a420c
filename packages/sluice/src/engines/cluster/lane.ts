// Shares commits: all calls that arrive while one statement is under way go with the next one.
export interface LaneOptions<Call> {
  /** Commits the calls and answers each; what it throws is the answer of all that have none yet. */
  readonly commit: (calls: readonly Entry<Call>[]) => Promise<void>;
  /** Calls that go with one statement at most. */
  readonly callsMax: number;
  readonly bytesMax?: number;
  readonly bytesOf?: (call: Call) => number;
}

/** A call on its way, with the answer that its caller waits for. */
export interface Entry<Call> {
  readonly call: Call;
  readonly answer: (value: never) => void;
  readonly fail: (error: unknown) => void;
}

export class Lane<Call> {
  readonly #options: LaneOptions<Call>;
  readonly #waiting: Entry<Call>[] = [];
  #turns: Promise<void> | undefined;

  constructor(options: LaneOptions<Call>) {
    this.#options = options;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  send<Answer>(call: Call): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.push({ call, answer: resolve, fail: reject });
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
      try {
        await this.#options.commit(calls);
      } catch (error) {
        for (const { fail } of calls) fail(error);
      }
    }
    this.#turns = undefined;
  }

  #take(): readonly Entry<Call>[] {
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
