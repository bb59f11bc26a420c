// Requests that this gateway has taken in while the ledger was out, on their way there. It owns the store and how far that
// is forwarded. While it holds a request, new ones go behind it, so that none overtakes another; at the end they wait for
// a moment, the last page goes, and the store is emptied.
import { setTimeout as delay } from "node:timers/promises";
import { messageOf, SluiceError } from "../core/errors.ts";
import type { Content, Failure, NewRequest, RequestStatus } from "../core/request.ts";
import type { RequestId } from "../core/request-id.ts";
import { crashPoint } from "../engine/crash-point.ts";
import type { AcceptResult } from "../engine/engine.ts";
import type { MovedPage } from "../engine/moved.ts";
import type { SpoolSink, SpoolStore } from "../engine/spool.ts";
import type { Logger } from "../telemetry/log.ts";
import { observe, type Counter, type Meter } from "../telemetry/meter.ts";
import { chargeOf, chargedFor, chargeMin } from "./charge.ts";

export interface SpoolOptions {
  /** Called again each time that the store was emptied. */
  readonly openStore: () => Promise<SpoolStore>;
  readonly sink: SpoolSink;
  /** Whether the ledger can be used, as far as is known. */
  readonly isLedgerBack: () => Promise<boolean>;
  readonly bytesMax: number;
  readonly log: Logger;
  readonly meter: Meter;
}

/** What is out is tried again after so long. */
const retryMs = 500;
/** So few are the last page or nearly so: from here on new requests wait. */
const fewRequests = 500;
/** After a page that the ledger did not take in time comes a smaller one, down to a single request; then they grow slowly. */
const [smallerBy, largerBy] = [4, 1.1];
const shareMin = 1 / 1_000;
/** For so long at most. */
const holdMsMax = 2_000;
const retryAfterSeconds = 5;
/** The few round trips before the ledger has the page and works on it. */
const readAheadMs = 5;

interface Hold {
  readonly over: Promise<void>;
  readonly isOn: () => boolean;
  release(): void;
}

export class Spool {
  readonly #options: SpoolOptions;
  readonly #forwarded: Counter;
  readonly #closing = new AbortController();
  /** Undefined while it is emptied or cannot be opened. */
  #store: SpoolStore | undefined;
  /** Whether new requests go to the ledger: nothing is here that the ledger does not have. */
  #isDirect = true;
  #hold: Hold | undefined;
  /** Of a whole page: a slow ledger takes a small one in the time that it has. */
  #share = 1;
  #bytes = 0;
  /** Requests of each queue that the ledger does not have. */
  #waiting = new Map<string, number>();
  /** Up to where `#waiting` leaves out what the ledger has. */
  #forwardedUpTo = -1;
  #accepting = 0;
  #onIdle: (() => void) | undefined;
  #work: Promise<void> = Promise.resolve();
  #reopening: Promise<void> = Promise.resolve();
  /** Goes on beside the work: what cannot be opened holds up nobody. */
  #opening: Promise<void> = Promise.resolve();
  /** Why the last try did not forward; empty after one that did. */
  #failure = "";
  /** Why the store cannot be opened; empty when it is open. */
  #unopened = "";

  /**
   * With what is in it already, which is forwarded first. On a full disk it opens later: until then requests go to the ledger alone.
   * Errors: those of `openStore`.
   */
  static async open(options: SpoolOptions): Promise<Spool> {
    const spool = new Spool(options);
    try {
      spool.#use(await options.openStore());
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== "disk-full") throw error;
      spool.#tellUnopened(error);
      spool.#opening = spool.#openAgain();
    }
    return spool;
  }

  private constructor(options: SpoolOptions) {
    this.#options = options;
    this.#forwarded = options.meter.counter("sluice.spool.forwarded", {});
    options.meter.addObserver(() => [
      observe("sluice.spool.requests", {}, this.count),
      observe("sluice.spool.size", {}, this.#bytes),
    ]);
  }

  #use(store: SpoolStore): void {
    const { queues, bytes } = store.held();
    this.#unopened = "";
    this.#bytes = bytes + chargedFor(sumOf(queues));
    this.#forwardedUpTo = -1;
    this.#waiting = new Map(queues);
    this.#store = store;
    if (store.damage !== undefined) this.#options.log.error({}, store.damage);
    if (queues.size > 0) this.begin();
  }

  /** Whether new requests go to the ledger. */
  get isDirect(): boolean {
    return this.#isDirect;
  }

  /** Resolves when it is decided where new requests go; undefined when it is. */
  get hold(): Promise<void> | undefined {
    return this.#hold?.over;
  }

  /** Requests that the ledger does not have. */
  get count(): number {
    return sumOf(this.#waiting);
  }

  get #identity(): number | undefined {
    return this.#store?.identity;
  }

  get failure(): string {
    return this.#failure;
  }

  countOf(queue: string): number {
    return this.#waiting.get(queue) ?? 0;
  }

  /** Why it takes nothing more; undefined when it does. */
  get problem(): Failure | undefined {
    if (this.#bytes + chargeMin > this.#options.bytesMax) return full(this.#options.bytesMax);
    if (this.#unopened !== "")
      return { code: "store-unavailable", message: `the spool cannot be opened: ${this.#unopened}` };
    const [problem] = this.#store?.engine.health().problems ?? [];
    return problem;
  }

  get damage(): Failure | undefined {
    const damage = this.#store?.damage;
    return damage === undefined ? undefined : { code: "store-damaged", message: damage };
  }

  /** From now on new requests are kept here, until all of them are forwarded. */
  begin(): void {
    if (!this.#isDirect) return;
    this.#isDirect = false;
    this.#failure = "";
    this.#work = this.#work.then(() => this.#forwardAll());
  }

  /** Errors: `disk-full`, at the spool's own bound or the disk's, and `store-unavailable`. */
  async accept(requests: readonly NewRequest[]): Promise<AcceptResult> {
    this.#accepting += 1;
    try {
      if (this.#store === undefined) await this.#reopening;
      if (this.#store === undefined) throw new SluiceError("store-unavailable", "the spool cannot be opened");
      return await this.#acceptInto(this.#store, requests);
    } finally {
      this.#accepting -= 1;
      if (this.#accepting === 0) this.#onIdle?.();
    }
  }

  async #acceptInto({ engine }: SpoolStore, requests: readonly NewRequest[]): Promise<AcceptResult> {
    const { bytesMax } = this.#options;
    const bytes = requests.reduce((sum, request) => sum + chargeOf(request), 0);
    if (this.#bytes + bytes > bytesMax) {
      const { message } = full(bytesMax);
      throw new SluiceError("disk-full", message, { retryAfterSeconds });
    }
    this.#bytes += bytes; // before it is stored: what arrives meanwhile counts too
    let isStored = false;
    try {
      const result = await engine.accept(requests);
      if (result.kind !== "accepted") return result;
      isStored = true;
      const receipts = result.receipts.map((receipt) => ({ ...receipt, durability: "spool" as const }));
      for (const [place, { queue, isReplayed }] of receipts.entries()) {
        if (isReplayed) this.#bytes -= chargeOf(requests[place] as NewRequest);
        else this.#waiting.set(queue, this.countOf(queue) + 1);
      }
      return { kind: "accepted", receipts };
    } finally {
      if (!isStored) this.#bytes -= bytes;
    }
  }

  /** Undefined where it is not here: never, or forwarded. */
  async read(id: RequestId): Promise<RequestStatus | undefined> {
    return this.#isDirect ? undefined : this.#store?.engine.read(id);
  }

  async readBody(id: RequestId): Promise<Content | undefined> {
    return this.#isDirect ? undefined : this.#store?.engine.readBody(id);
  }

  /** What is not forwarded by then stays on the disk: the next start goes on. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#hold?.release();
    await this.#work;
    await this.#opening;
    if (this.count > 0)
      this.#options.log.warn({ requests: this.count }, "requests stay in the spool until the next start");
    await this.#store?.[Symbol.asyncDispose]();
    await this.#options.sink[Symbol.asyncDispose]();
  }

  async #forwardAll(): Promise<void> {
    const { log } = this.#options;
    log.warn({ requests: this.count }, "requests go to the spool");
    while (!this.#closing.signal.aborted) {
      const drained = await this.#drain();
      if (drained === "nothing") return;
      if (drained !== "not yet") {
        log.info({}, "all of the spool is in the ledger");
        return this.#empty(drained);
      }
      await this.#rest();
    }
  }

  /** Forwards page by page. Gives back the store once the ledger has all of it, and new requests go there. */
  async #drain(): Promise<SpoolStore | "nothing" | "not yet"> {
    const { sink, isLedgerBack } = this.#options;
    let hold: Hold | undefined;
    try {
      if (!(await isLedgerBack())) return "not yet";
      const store = this.#store;
      if (store === undefined) {
        this.#isDirect = true;
        return "nothing";
      }
      let after = await sink.begin(store.identity);
      this.#countFrom(store, after);
      let page = store.page(after, this.#share);
      while (!this.#closing.signal.aborted) {
        if (hold?.isOn() !== true && (page === undefined || this.count < fewRequests)) {
          hold = this.#holdOn();
          await this.#idle();
          page = store.page(after, this.#share);
        } else if (page === undefined) {
          await sink.confirm(store.identity, after);
          if (!hold?.isOn()) continue;
          this.#isDirect = true; // before those that wait go on
          return store;
        } else {
          const stored = page;
          const share = this.#share;
          this.#share = Math.max(shareMin, share / smallerBy); // for the next try, should this one fail
          // The next page is read while the ledger stores this one.
          [page] = await Promise.all([
            pageBehind(store, stored.upTo, share),
            sink.store(store.identity, stored, after),
          ]);
          this.#share = Math.min(1, share * largerBy);
          this.#failure = "";
          after = stored.upTo;
          this.#noteForwarded(stored);
        }
      }
      return "not yet";
    } catch (error) {
      this.#tell(error);
      return "not yet";
    } finally {
      hold?.release();
    }
  }

  /** Closes the store and opens an empty one. */
  async #empty(store: SpoolStore): Promise<void> {
    if (this.#bytes === 0) return;
    crashPoint("spool-drained");
    this.#store = undefined;
    this.#reopening = this.#reopen(store);
    await this.#reopening;
    if (this.#identity !== undefined) return this.#forget(store.identity);
    this.#opening = this.#openAgain().then(() => this.#forget(store.identity));
  }

  /** Once another store is there. While its files are, the ledger must know how far it is: it would take all of it again. */
  async #forget(identity: number): Promise<void> {
    if (this.#identity === undefined || this.#identity === identity) return;
    // Should it stay, it is a row that nobody asks for.
    await this.#options.sink.forget(identity).catch((error: unknown) => this.#tell(error));
  }

  async #openAgain(): Promise<void> {
    while (this.#store === undefined) {
      await this.#rest();
      if (this.#closing.signal.aborted) return;
      this.#reopening = this.#reopen(undefined);
      await this.#reopening;
    }
  }

  /** Never rejects. */
  async #reopen(store: SpoolStore | undefined): Promise<void> {
    try {
      await store?.empty();
      crashPoint("spool-emptied");
      const opened = await this.#options.openStore();
      try {
        this.#use(opened);
      } catch (error) {
        await opened[Symbol.asyncDispose](); // else this process has the folder, and cannot open it
        throw error;
      }
    } catch (error) {
      this.#tellUnopened(error);
    }
  }

  /** An earlier life got so far, or a page whose answer was lost; a ledger that was restored is further back. */
  #countFrom(store: SpoolStore, after: number): void {
    if (after === this.#forwardedUpTo) return;
    const [counted, forwarded] = [store.held(this.#forwardedUpTo).queues, store.held(after).queues];
    for (const queue of new Set([...counted.keys(), ...forwarded.keys()])) {
      const more = (counted.get(queue) ?? 0) - (forwarded.get(queue) ?? 0);
      this.#waiting.set(queue, Math.max(0, this.countOf(queue) + more));
    }
    this.#forwardedUpTo = after;
  }

  #noteForwarded({ requests, upTo }: MovedPage): void {
    this.#forwardedUpTo = upTo;
    this.#forwarded.value += requests.length;
    for (const { queue } of requests) this.#waiting.set(queue, Math.max(0, this.countOf(queue) - 1));
  }

  /** New requests wait until it is released, or for as long as they may. */
  #holdOn(): Hold {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => hold.release(), holdMsMax);
    const hold: Hold = {
      over,
      isOn: () => this.#hold === hold,
      release: () => {
        clearTimeout(timer);
        if (this.#hold === hold) this.#hold = undefined;
        resolve();
      },
    };
    this.#hold = hold;
    return hold;
  }

  /** Resolves once no request is being stored. */
  async #idle(): Promise<void> {
    while (this.#accepting > 0)
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
  }

  async #rest(): Promise<void> {
    await delay(retryMs, undefined, { signal: this.#closing.signal }).catch(() => undefined); // it is closed
  }

  #tell(error: unknown): void {
    const message = messageOf(error);
    if (message !== this.#failure)
      this.#options.log.warn({ err: error, requests: this.count }, "the spool is not forwarded");
    this.#failure = message;
  }

  #tellUnopened(error: unknown): void {
    const message = messageOf(error);
    if (message !== this.#unopened) this.#options.log.error({ err: error }, "the spool cannot be opened");
    this.#unopened = message;
  }
}

/** Once what is under way has been sent. */
async function pageBehind(store: SpoolStore, upTo: number, share: number): Promise<MovedPage | undefined> {
  await delay(readAheadMs);
  return store.page(upTo, share);
}

function sumOf(counts: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const count of counts.values()) sum += count;
  return sum;
}

function full(bytesMax: number): Failure {
  return { code: "disk-full", message: `the spool is at its bound of ${bytesMax} bytes, and the ledger is out` };
}
