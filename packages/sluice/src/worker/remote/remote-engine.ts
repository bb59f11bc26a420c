// The engine as a worker process sees it: each verb is a message to the process that has it, and a promise until the
// answer comes. It holds no request that the other side does not know of.
import type { Clock } from "../../core/clock.ts";
import { SluiceError } from "../../core/errors.ts";
import type { Claim, Delivery, Outcome } from "../../core/request.ts";
import type {
  DeliverOptions,
  Presence,
  RetryOptions,
  SettleResult,
  StartsAsk,
  StartsGrant,
} from "../../engine/engine.ts";
import type { WorkerEngine } from "../worker-engine.ts";
import { Outbox } from "./outbox.ts";
import { writeBegin, type Answer, type FromWorker } from "./wire.ts";

export interface RemoteEngineOptions {
  /** The same as the store's: both processes are on one host. */
  readonly clock: Clock;
  /** Hands messages to the operating system before it returns, unless its buffer is full. */
  readonly send: (messages: readonly FromWorker[]) => void;
  /** Returns once the operating system has the record. */
  readonly writeBegin: (record: Buffer) => void;
}

interface Pending {
  resolve(value: unknown): void;
  reject(error: SluiceError): void;
}

export class RemoteEngine implements WorkerEngine {
  readonly clock: Clock;
  readonly #outbox: Outbox<FromWorker>;
  readonly #writeBegin: (record: Buffer) => void;
  readonly #pending = new Map<number, Pending>();
  #lastCall = 0;

  constructor({ clock, send, writeBegin: write }: RemoteEngineOptions) {
    this.clock = clock;
    this.#outbox = new Outbox(send);
    this.#writeBegin = write;
  }

  receive(answers: readonly Answer[]): void {
    for (const { call, value, error } of answers) {
      const pending = this.#pending.get(call);
      this.#pending.delete(call);
      if (error === undefined) pending?.resolve(value);
      else pending?.reject(new SluiceError(error.code, error.message));
    }
  }

  async deliver({ queue, max, retries, signal }: DeliverOptions): Promise<readonly Delivery[]> {
    if (signal.aborted) return [];
    const call = this.#nextCall();
    const abandon = (): void => this.#outbox.push({ verb: "abandon", deliver: call });
    signal.addEventListener("abort", abandon, { once: true });
    try {
      return await this.#ask<readonly Delivery[]>({ verb: "deliver", call, queue, max, retries });
    } finally {
      signal.removeEventListener("abort", abandon);
    }
  }

  settle(claim: Claim, outcome: Outcome): Promise<SettleResult> {
    return this.#ask({ verb: "settle", call: this.#nextCall(), claim, outcome });
  }

  retry(claim: Claim, options: RetryOptions): Promise<SettleResult> {
    return this.#ask({ verb: "retry", call: this.#nextCall(), claim, options });
  }

  starts(ask: StartsAsk): Promise<StartsGrant> {
    return this.#ask({ verb: "starts", call: this.#nextCall(), ask });
  }

  report(claim: Claim, progress: unknown): void {
    this.#outbox.push({ verb: "report", claim, progress: JSON.stringify(progress) });
  }

  attend(queue: string): Presence {
    this.#outbox.push({ verb: "attend", queue });
    return {
      breakerOpen: (isOpen) => this.#outbox.push({ verb: "breakerOpen", queue, isOpen }),
      [Symbol.dispose]: () => this.#outbox.push({ verb: "leave", queue }),
    };
  }

  began({ token }: Claim): void {
    this.#outbox.flush();
    this.#writeBegin(writeBegin(token));
  }

  #nextCall(): number {
    this.#lastCall += 1;
    return this.#lastCall;
  }

  #ask<Value>(message: FromWorker & { readonly call: number }): Promise<Value> {
    return new Promise<unknown>((resolve, reject) => {
      this.#pending.set(message.call, { resolve, reject });
      this.#outbox.push(message);
    }) as Promise<Value>;
  }
}
