// The side of the worker processes that has the engine. What holds for a queue as a whole, its rate and its concurrency, is
// kept here, and what a process held when it died is put back from here.
import type { Clock } from "../../core/clock.ts";
import { invariant, SluiceError } from "../../core/errors.ts";
import type { Claim } from "../../core/request.ts";
import type { StartsAsk, StartsGrant, Work } from "../../engine/engine.ts";
import type { Logger } from "../../telemetry/log.ts";
import { handedBack } from "../attempt.ts";
import { RateGate } from "../rate-gate.ts";
import { Dealer } from "./dealer.ts";
import { ProcessConnection, type Connection, type GoneOptions } from "./process-connection.ts";
import type { Answer } from "./wire.ts";

export interface HostedQueue {
  readonly name: string;
  /** Attempts that run at once, over all processes. */
  readonly concurrency: number;
  /** Over all processes. */
  readonly ratePerHour: number | undefined;
  readonly burst: number | undefined;
  /** How long an attempt may take. The process itself sees to it, unless a handler keeps it from its event loop. */
  readonly timeoutMs: number;
}

export interface EngineHostOptions {
  /** One that is told of crashes. */
  readonly engine: Work;
  readonly queues: readonly HostedQueue[];
  readonly clock: Clock;
  readonly log: Logger;
  /** How often to look for processes that are stuck, in milliseconds; 1,000 unless set. */
  readonly lookEveryMs?: number;
}

export interface ConnectOptions {
  readonly send: (answers: readonly Answer[]) => void;
  /** An attempt is long past its time, and the process does not say so: nothing but its end will end it. */
  readonly onStuck: (claim: Claim) => void;
}

interface Line {
  readonly dealer: Dealer;
  readonly gate: RateGate;
  readonly timeoutMs: number;
}

const putBackRetryMs = 200;
/** For an attempt to be cut off by its own process, and for that to be known here. */
const cutOffMs = 2_000;

export class EngineHost {
  readonly #options: EngineHostOptions;
  readonly #lines: ReadonlyMap<string, Line>;
  /** Of claims that no process holds any more. */
  readonly #puttingBack = new Set<Promise<void>>();
  readonly #connections = new Set<ProcessConnection>();
  readonly #looks: NodeJS.Timeout;
  #isClosed = false;

  constructor(options: EngineHostOptions) {
    invariant(options.engine.crashed !== undefined, "the engine of worker processes is told of crashes");
    this.#options = options;
    const { engine, clock } = options;
    const handBack = (claim: Claim): void => void this.#putBack(claim, { isCrash: false });
    this.#lines = new Map(
      options.queues.map(({ name, concurrency, ratePerHour, burst, timeoutMs }) => [
        name,
        {
          dealer: new Dealer({ engine, clock, queue: name, concurrency, handBack }),
          gate: new RateGate({ ratePerHour, burst, clock }),
          timeoutMs,
        },
      ]),
    );
    this.#looks = setInterval(() => {
      for (const connection of this.#connections) connection.look(clock.monotonic());
    }, options.lookEveryMs ?? 1_000).unref();
  }

  connect({ send, onStuck }: ConnectOptions): Connection {
    const { clock } = this.#options;
    const connection: ProcessConnection = new ProcessConnection({
      engine: this.#options.engine,
      dealerOf: (queue) => this.#lineOf(queue).dealer,
      starts: (ask) => this.#starts(ask),
      putBack: (claim, options) => this.#putBack(claim, options),
      dueAt: ({ queue }) => clock.monotonic() + this.#lineOf(queue).timeoutMs + cutOffMs,
      send,
      onStuck,
      onGone: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
    return connection;
  }

  /** To be called when all connections are gone, before the engine is closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#looks);
    await Promise.all(this.#puttingBack);
  }

  #lineOf(queue: string): Line {
    const line = this.#lines.get(queue);
    if (line === undefined) throw new SluiceError("unknown-queue", `there is no queue "${queue}"`);
    return line;
  }

  #starts({ queue, wanted }: StartsAsk): StartsGrant {
    const { gate } = this.#lineOf(queue);
    let granted = 0;
    while (granted < wanted && gate.take()) granted += 1;
    return { granted, retryMs: granted < wanted ? gate.waitMs() : 0 };
  }

  #putBack(claim: Claim, options: GoneOptions): Promise<void> {
    const puttingBack = this.#putBackFirmly(claim, options).finally(() => this.#puttingBack.delete(puttingBack));
    this.#puttingBack.add(puttingBack);
    return puttingBack;
  }

  /** Again and again while the store is unavailable; what is left at the close, the store itself finds. */
  async #putBackFirmly(claim: Claim, { isCrash }: GoneOptions): Promise<void> {
    const { engine, log } = this.#options;
    while (!this.#isClosed) {
      try {
        await (isCrash ? engine.crashed?.(claim) : engine.retry(claim, handedBack.options));
        return;
      } catch (error) {
        if (!(error instanceof SluiceError && error.isRetryable)) throw error;
        log.warn({ queue: claim.queue, id: claim.id, err: error.message }, "cannot put back what a process held");
        await new Promise((resolve) => setTimeout(resolve, putBackRetryMs));
      }
    }
  }
}
