// How long others have been silent, by what is seen of them to change and by the monotonic clock of who looks (I8): no
// step of a wall clock makes anybody silent, or lets one who is gone seem to live.

interface Heard {
  readonly sign: number;
  readonly silentMs: number;
}

export class Silence {
  readonly #gapMsMax: number;
  readonly #monotonic: () => number;
  #lookedAt: number | undefined;
  #heard: ReadonlyMap<number, Heard> = new Map();

  /** Of the time between two looks no more counts than `gapMsMax`: who looks, or the ledger, may have been stopped itself. */
  constructor(gapMsMax: number, monotonic: () => number = () => performance.now()) {
    this.#gapMsMax = gapMsMax;
    this.#monotonic = monotonic;
  }

  /** What each of them shows now; those that are not among them are forgotten. */
  look(signs: Iterable<readonly [no: number, sign: number]>): void {
    const now = this.#monotonic();
    const passedMs = Math.min(this.#gapMsMax, now - (this.#lookedAt ?? now));
    this.#lookedAt = now;
    const heard = new Map<number, Heard>();
    for (const [no, sign] of signs) {
      const before = this.#heard.get(no);
      heard.set(no, { sign, silentMs: before?.sign === sign ? before.silentMs + passedMs : 0 });
    }
    this.#heard = heard;
  }

  /** Those that have shown the same for so long, with what they show. */
  silentFor(ms: number): readonly { readonly no: number; readonly sign: number; readonly silentMs: number }[] {
    return [...this.#heard].flatMap(([no, heard]) => (heard.silentMs >= ms ? [{ no, ...heard }] : []));
  }
}
