// One worker process as the engine's side sees it: serves its calls, and knows at every moment which claims it holds and
// which of those had begun. When it is gone they are put back at once: those that had begun with a crash on their account,
// the others with nothing (I4).
import { messageOf, SluiceError } from "../../core/errors.ts";
import type { Claim, Delivery } from "../../core/request.ts";
import type { Deliveries, Presence, SettleResult, StartsAsk, StartsGrant, Work } from "../../engine/engine.ts";
import type { Dealer, Holder } from "./dealer.ts";
import { Outbox } from "./outbox.ts";
import { BeginReader, messagesIn, progressIn, type Answer, type FromWorker } from "./wire.ts";

/** One worker process. */
export interface Connection {
  /** Takes what the process sent; what is no message of ours is left out. */
  receive(received: unknown): void;
  receiveBegins(chunk: Buffer): void;
  /** Whether the process has begun any delivery. */
  readonly hasBegun: boolean;
  /** The process is gone, and all that it said has been received. Resolves once what it held is put back. */
  gone(options: GoneOptions): Promise<void>;
}

export interface GoneOptions {
  /** Whether it died by itself, and what it ran may have killed it. */
  readonly isCrash: boolean;
}

interface ConnectionOptions {
  readonly engine: Work;
  readonly dealerOf: (queue: string) => Dealer;
  readonly starts: (ask: StartsAsk) => StartsGrant;
  readonly putBack: (claim: Claim, options: GoneOptions) => Promise<void>;
  /** When the end of an attempt that begins now has to be known. */
  readonly dueAt: (claim: Claim) => number;
  readonly send: (answers: readonly Answer[]) => void;
  readonly onStuck: (claim: Claim) => void;
  readonly onGone: () => void;
}

interface Held {
  readonly claim: Claim;
  /** Tells the dealer that its place is free. */
  readonly free: () => void;
  /** `ended` once its outcome is known here, committed or not. */
  phase: "dealt" | "begun" | "ended";
  /** Once it has begun. */
  dueAt: number;
  isOverdue: boolean;
}

export class ProcessConnection implements Connection, Holder {
  readonly #options: ConnectionOptions;
  readonly #outbox: Outbox<Answer>;
  readonly #begins = new BeginReader();
  /** By token: until the engine has taken its end. */
  readonly #held = new Map<number, Held>();
  /** By queue: those that have not ended. */
  readonly #counts = new Map<string, number>();
  readonly #presence = new Map<string, Presence>();
  /** Delivers that wait, by their call. */
  readonly #waiting = new Map<number, AbortController>();
  #isGone = false;
  #hasBegun = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#outbox = new Outbox((answers) => {
      if (!this.#isGone) options.send(answers);
    });
  }

  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  heldOf(queue: string): number {
    return this.#counts.get(queue) ?? 0;
  }

  hold({ claim }: Delivery, free: () => void): void {
    this.#held.set(claim.token, { claim, free, phase: "dealt", dueAt: Number.POSITIVE_INFINITY, isOverdue: false });
    this.#counts.set(claim.queue, this.heldOf(claim.queue) + 1);
  }

  receive(received: unknown): void {
    for (const message of messagesIn(received)) this.#take(message);
  }

  receiveBegins(chunk: Buffer): void {
    for (const token of this.#begins.read(chunk)) {
      this.#hasBegun = true;
      const held = this.#held.get(token);
      // The pipe of the begins and the messages are not in step: an end may be known before its begin.
      if (held?.phase !== "dealt") continue;
      held.phase = "begun";
      held.dueAt = this.#options.dueAt(held.claim);
    }
  }

  /** Tells of what is overdue at a second look: what was said of it may have waited to be read at the first. */
  look(now: number): void {
    for (const held of this.#held.values()) {
      if (held.phase !== "begun" || now < held.dueAt) continue;
      if (held.isOverdue) {
        held.dueAt = Number.POSITIVE_INFINITY; // told once
        this.#options.onStuck(held.claim);
      }
      held.isOverdue = true;
    }
  }

  async gone({ isCrash }: GoneOptions): Promise<void> {
    this.#isGone = true;
    this.#options.onGone();
    for (const waiting of this.#waiting.values()) waiting.abort();
    for (const presence of this.#presence.values()) presence[Symbol.dispose]();
    const { putBack } = this.#options;
    await Promise.all(
      [...this.#held.values()].map((held) => {
        const hasBegun = held.phase === "begun";
        this.#end(held);
        return putBack(held.claim, { isCrash: isCrash && hasBegun });
      }),
    );
  }

  #take(message: FromWorker): void {
    const { engine } = this.#options;
    switch (message.verb) {
      case "deliver":
        return this.#answer(message.call, this.#deliver(message));
      case "abandon":
        return this.#waiting.get(message.deliver)?.abort();
      case "settle":
        return this.#answer(
          message.call,
          this.#conclude(message.claim, () => engine.settle(message.claim, message.outcome)),
        );
      case "retry":
        return this.#answer(
          message.call,
          this.#conclude(message.claim, () => engine.retry(message.claim, message.options)),
        );
      case "starts":
        return this.#answer(message.call, this.#starts(message.ask));
      case "report":
        return engine.report(message.claim, progressIn(message.progress));
      case "attend":
        return this.#attend(message.queue);
      case "breakerOpen":
        return this.#presence.get(message.queue)?.breakerOpen(message.isOpen);
      case "leave":
        this.#presence.get(message.queue)?.[Symbol.dispose]();
        return void this.#presence.delete(message.queue);
      default:
        return message satisfies never;
    }
  }

  async #starts(ask: StartsAsk): Promise<StartsGrant> {
    return this.#options.starts(ask);
  }

  #attend(queue: string): void {
    if (this.#presence.has(queue)) return;
    try {
      this.#presence.set(
        queue,
        this.#options.engine.attend(queue, () => this.#deliveriesOf(queue)),
      );
    } catch {
      // A process that read another configuration than this one: its deliver is told that there is no such queue.
    }
  }

  #deliveriesOf(queue: string): Deliveries {
    const held = [...this.#held.values()].filter(({ claim }) => claim.queue === queue);
    const inPhase = (phase: Held["phase"]): number => held.filter((one) => one.phase === phase).length;
    return { claimed: inPhase("dealt"), running: inPhase("begun"), committing: inPhase("ended") };
  }

  async #deliver({
    call,
    queue,
    max,
    retries,
  }: Extract<FromWorker, { verb: "deliver" }>): Promise<readonly Delivery[]> {
    const abort = new AbortController();
    this.#waiting.set(call, abort);
    try {
      return await this.#options.dealerOf(queue).ask(this, { max, retries, signal: abort.signal });
    } finally {
      this.#waiting.delete(call);
    }
  }

  /** The claim's place is free as soon as its end is known; the claim itself is held until the engine has taken it. */
  async #conclude({ token }: Claim, commit: () => Promise<SettleResult>): Promise<SettleResult> {
    const held = this.#held.get(token);
    if (held !== undefined) this.#end(held);
    const result = await commit();
    this.#held.delete(token);
    return result;
  }

  #end(held: Held): void {
    if (held.phase === "ended") return;
    held.phase = "ended";
    const { queue } = held.claim;
    this.#counts.set(queue, this.heldOf(queue) - 1);
    held.free();
  }

  #answer(call: number, result: Promise<unknown>): void {
    result.then(
      (value) => this.#outbox.push({ call, value }),
      (error: unknown) => {
        const code = error instanceof SluiceError ? error.code : "internal";
        this.#outbox.push({ call, error: { code, message: messageOf(error) } });
      },
    );
  }
}
