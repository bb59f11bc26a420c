// Hands requests out: takes hints from the buffers, claims their requests in the ledger, and gives each worker that
// waits what was claimed for it. It owns the hints of all claims of this process until they are settled or put back.
import { messageOf, SluiceError } from "../../../core/errors.ts";
import type { Claim, Delivery } from "../../../core/request.ts";
import type { RequestId } from "../../../core/request-id.ts";
import type { RetryBounds } from "../../../core/retry-share.ts";
import type { DeliverOptions } from "../../../engine/engine.ts";
import type { Logger } from "../../../telemetry/log.ts";
import { claim, deliveryOf, release, type ClaimRow } from "./claim.ts";
import { ConflictError, LostError, type Connected } from "./connection/database.ts";
import { HintBuffer, type Hint } from "../carriers/hints.ts";

import type { StoreClock } from "./connection/store-clock.ts";
import { UnknownClaims } from "./unknown-claims.ts";

interface Waiter {
  readonly queue: string;
  readonly max: number;
  readonly retries: RetryBounds | undefined;
  readonly signal: AbortSignal;
  readonly resolve: (deliveries: readonly Delivery[]) => void;
}

/** What one claim asks for. */
interface Plan {
  readonly areSuspects: boolean;
  readonly asked: readonly { readonly waiter: Waiter; readonly hints: readonly Hint[] }[];
}

interface Held {
  readonly hint: Hint;
  readonly isSuspect: boolean;
}

export interface DelivererOptions {
  readonly connection: Connected;
  readonly clock: StoreClock;
  readonly member: () => number;
  readonly isPaused: (queue: string) => boolean;
  readonly hasLines: (queue: string) => boolean;
  readonly onUnavailable: (error: SluiceError) => void;
  readonly log: Logger;
}

/** A failed claim is tried again after so long, and one whose answer was lost is looked for. */
const claimAgainMs = 500;

export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #buffers = new Map<string, HintBuffer>();
  readonly #waiters = new Set<Waiter>();
  /** By the claim's token. */
  readonly #held = new Map<number, Held>();
  readonly #unknown: UnknownClaims;
  #looking: NodeJS.Timeout | undefined;
  #claiming: Promise<void> | undefined;
  #resting: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: DelivererOptions) {
    this.#options = options;
    this.#unknown = new UnknownClaims({ ...options, known: () => this.#held.keys() });
  }

  bufferOf(queue: string): HintBuffer {
    const buffer = this.#buffers.get(queue) ?? this.#newBuffer(queue);
    this.#buffers.set(queue, buffer);
    return buffer;
  }

  #newBuffer(queue: string): HintBuffer {
    return new HintBuffer({ onRefilled: () => this.serve(), keepsOrder: () => this.#options.hasLines(queue) });
  }

  deliver({ queue, max, retries, signal }: DeliverOptions): Promise<readonly Delivery[]> {
    if (signal.aborted || this.#isClosed) return Promise.resolve([]);
    return new Promise((resolve) => {
      const abandon = (): void => {
        // What is claimed for it already is on its way.
        if (this.#waiters.delete(waiter)) resolve([]);
      };
      const waiter: Waiter = {
        queue,
        max,
        retries,
        signal,
        resolve: (deliveries) => {
          signal.removeEventListener("abort", abandon);
          resolve(deliveries);
        },
      };
      signal.addEventListener("abort", abandon, { once: true });
      this.#waiters.add(waiter);
      this.serve();
    });
  }

  /** Looks whether there is something for somebody: after new hints, a resume, or the end of a suspect. */
  serve(): void {
    if (this.#claiming !== undefined || this.#resting !== undefined || this.#isClosed) return;
    const plan = this.#planSuspect() ?? this.#planBatch();
    if (plan.asked.length === 0) return;
    for (const { waiter } of plan.asked) this.#waiters.delete(waiter);
    this.#claiming = this.#claim(plan).finally(() => this.#claimed());
  }

  #claimed(): void {
    this.#claiming = undefined;
    this.serve();
  }

  /** The claim came to its end: its hint may be acknowledged (I2). */
  ended({ token }: Claim): void {
    const held = this.#held.get(token);
    if (held === undefined) return;
    this.#held.delete(token);
    held.hint.done();
    if (held.isSuspect || this.#held.size === 0) this.serve();
  }

  /** The server may hold claims for this process that it knows nothing of: as of before a restore. */
  lookForUnknown(): void {
    this.#unknown.begin();
    this.#lookLater();
  }

  /** Ends every wait with nothing, and waits for the claim under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#resting);
    clearTimeout(this.#looking);
    await this.#claiming;
    for (const { resolve } of this.#waiters) resolve([]);
    this.#waiters.clear();
  }

  /** A suspect runs alone in its process (I4): until all else has ended nobody gets anything. */
  #planSuspect(): Plan | undefined {
    const nothing: Plan = { areSuspects: true, asked: [] };
    for (const { isSuspect } of this.#held.values()) if (isSuspect) return nothing;
    for (const waiter of this.#openWaiters()) {
      const buffer = this.bufferOf(waiter.queue);
      if (!buffer.hasSuspect) continue;
      const hint = this.#held.size === 0 ? buffer.takeSuspect() : undefined;
      return hint === undefined ? nothing : { areSuspects: true, asked: [{ waiter, hints: [hint] }] };
    }
    return undefined;
  }

  #planBatch(): Plan {
    const asked = [];
    for (const waiter of this.#openWaiters()) {
      const hints = this.bufferOf(waiter.queue).take(waiter.max, waiter.retries);
      if (hints.length > 0) asked.push({ waiter, hints });
    }
    return { areSuspects: false, asked };
  }

  #openWaiters(): readonly Waiter[] {
    return [...this.#waiters].filter(({ queue }) => !this.#options.isPaused(queue));
  }

  /** Claims, and claims on while hints turn out to be of requests that have gone: a worker gets what it asked for. */
  async #claim({ areSuspects, asked }: Plan): Promise<void> {
    const given = new Map<Waiter, Delivery[]>(asked.map(({ waiter }) => [waiter, []]));
    try {
      for (let left = asked; left.length > 0; left = areSuspects ? [] : this.#short(left, given)) {
        await this.#claimOnce({ areSuspects, asked: left }, given);
      }
    } catch (error) {
      this.#rest(error);
    }
    for (const [waiter, deliveries] of given) {
      if (deliveries.length > 0) waiter.resolve(deliveries);
      else this.#waitOn(waiter);
    }
  }

  async #claimOnce(plan: Plan, given: ReadonlyMap<Waiter, Delivery[]>): Promise<void> {
    const hints = plan.asked.flatMap((ask) => ask.hints);
    let rows: Map<RequestId, ClaimRow>;
    try {
      await this.#unknown.release();
      rows = await this.#claimRows(hints, plan.areSuspects);
    } catch (error) {
      for (const { waiter, hints: own } of plan.asked) this.bufferOf(waiter.queue).giveBack(own);
      throw error;
    }
    const voids = [...rows.values()].filter(({ verdict }) => verdict === "void");
    for (const { waiter, hints: own } of plan.asked) {
      given.get(waiter)?.push(...this.#hold(waiter, own, { rows, isSuspect: plan.areSuspects }));
    }
    if (voids.length > 0) await release(this.#options.connection, voids);
  }

  /** Who got less than it asked for, with the hints that are left for it. */
  #short(asked: Plan["asked"], given: ReadonlyMap<Waiter, readonly Delivery[]>): Plan["asked"] {
    return asked.flatMap(({ waiter }) => {
      const deliveries = given.get(waiter) ?? [];
      const room = waiter.max - deliveries.length;
      const isOpen = room > 0 && this.#resting === undefined && !this.#options.isPaused(waiter.queue);
      const hints = isOpen ? this.bufferOf(waiter.queue).take(room, boundsLeft(waiter, deliveries)) : [];
      return hints.length > 0 ? [{ waiter, hints }] : [];
    });
  }

  #claimRows(hints: readonly Hint[], areSuspects: boolean): Promise<Map<RequestId, ClaimRow>> {
    const { connection, clock, member } = this.#options;
    const ids = hints.map(({ id }) => id);
    return claim(connection, { ids, areSuspects, member: member(), now: clock.now() });
  }

  /** Keeps the hints of what was claimed; those of the rest are done, or wait for the end of a pause. */
  #hold(
    { queue }: Waiter,
    hints: readonly Hint[],
    { rows, isSuspect }: { rows: Map<RequestId, ClaimRow>; isSuspect: boolean },
  ): readonly Delivery[] {
    const deliveries: Delivery[] = [];
    const paused: Hint[] = [];
    for (const hint of hints) {
      const row = rows.get(hint.id);
      if (row?.verdict === "claimed") {
        rows.delete(hint.id); // a second hint of the same request is not a second claim
        this.#held.set(row.token, { hint, isSuspect });
        deliveries.push(deliveryOf(row, hint.kind === "again"));
      } else if (row?.verdict === "paused") paused.push(hint);
      else hint.done(); // ended, running or scheduled: the ledger sees to it
    }
    if (paused.length > 0) this.#restFor(claimAgainMs); // this process will soon hear of the pause
    this.bufferOf(queue).giveBack(paused);
    return deliveries;
  }

  #waitOn(waiter: Waiter): void {
    if (this.#isClosed || waiter.signal.aborted) waiter.resolve([]);
    else this.#waiters.add(waiter);
  }

  #rest(error: unknown): void {
    if (error instanceof ConflictError) return; // the same again may go through at once
    if (error instanceof SluiceError && error.isRetryable) this.#options.onUnavailable(error);
    else this.#options.log.error({ err: messageOf(error) }, "cannot claim");
    if (error instanceof LostError) this.lookForUnknown();
    this.#restFor(claimAgainMs);
  }

  #restFor(ms: number): void {
    this.#resting ??= setTimeout(() => {
      this.#resting = undefined;
      this.serve();
    }, ms);
  }

  /** Claims whose answer was lost, with nothing to claim as well. */
  #lookLater(): void {
    this.#looking ??= setTimeout(() => {
      this.#looking = undefined;
      if (!this.#unknown.mayBe || this.#isClosed) return;
      this.#lookLater();
      if (this.#claiming !== undefined) return; // which looks for itself
      this.#claiming = this.#unknown
        .release()
        .catch((error: unknown) => this.#rest(error))
        .finally(() => this.#claimed());
    }, claimAgainMs);
  }
}

function boundsLeft({ retries }: Waiter, given: readonly Delivery[]): RetryBounds | undefined {
  if (retries === undefined) return undefined;
  const count = given.filter(({ isAgain }) => isAgain).length;
  return { first: Math.max(0, retries.first - count), most: Math.max(0, retries.most - count) };
}
