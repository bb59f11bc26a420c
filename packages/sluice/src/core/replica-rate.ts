// What one replica finishes in an hour, measured while all of them had enough to do: a rate that was seen while nothing
// waited tells of the arrivals, not of the replicas.

export interface ReplicaSample {
  /** By the monotonic clock, in milliseconds. */
  readonly at: number;
  /** Requests with an outcome from a run, ever. */
  readonly finished: number;
  readonly waiting: number;
  /** Replicas that deliver. */
  readonly replicas: number;
}

interface Span {
  readonly endsAt: number;
  readonly finished: number;
  /** Replicas times milliseconds. */
  readonly effortMs: number;
}

const hourMs = 3_600_000;
/** So close to the queue's own rate it was that rate which held the replicas back. */
const limitedShare = 0.9;
/** How long ago a span may have ended while newer ones come in. */
const windowMs = 60_000;

export class ReplicaRate {
  readonly #ratePerHour: number | undefined;
  #last: ReplicaSample | undefined;
  #spans: Span[] = [];

  /** The queue's set rate, if it has one. */
  constructor(ratePerHour?: number) {
    this.#ratePerHour = ratePerHour;
  }

  /** To be called with each reading of the queue, every few seconds. */
  add(sample: ReplicaSample): void {
    const last = this.#last;
    this.#last = sample;
    if (last === undefined || !isBusy(last, sample)) return;
    const tookMs = sample.at - last.at;
    const finished = sample.finished - last.finished;
    const atRate = this.#ratePerHour === undefined ? undefined : (this.#ratePerHour * tookMs) / hourMs;
    const isLimited = atRate !== undefined && finished >= limitedShare * atRate;
    // More replicas would each be seen to do less, and ask for more of them: the first reading stands.
    if (isLimited && this.perHour !== undefined) return;
    const span: Span = {
      endsAt: sample.at,
      finished: isLimited ? Math.max(finished, atRate) : finished,
      effortMs: tookMs * sample.replicas,
    };
    this.#spans = [...this.#spans.filter(({ endsAt }) => sample.at - endsAt < windowMs), span];
  }

  /** Undefined until something was finished while more waited; then by the last minute that told. */
  get perHour(): number | undefined {
    const finished = this.#spans.reduce((sum, span) => sum + span.finished, 0);
    const effortMs = this.#spans.reduce((sum, span) => sum + span.effortMs, 0);
    return finished > 0 && effortMs > 0 ? (finished / effortMs) * hourMs : undefined;
  }
}

/** While replicas come or go, or their target does, nobody knows how many worked. */
function isBusy(from: ReplicaSample, to: ReplicaSample): boolean {
  const isSteady = from.replicas === to.replicas && to.replicas > 0;
  return isSteady && from.waiting > 0 && to.waiting > 0 && to.at > from.at && to.finished >= from.finished;
}
