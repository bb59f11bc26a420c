// Which queues RabbitMQ has for a queue of ours, and what they must be.

export interface HintQueues {
  /** Hints of requests that nobody was given yet. */
  readonly fresh: string;
  /** Hints of those that came back: from a retry, a hand-back, a replay or a dead worker. */
  readonly again: string;
}

/** The version is for the day when the arguments below must change: those of a queue that exists cannot. */
export function hintQueues(prefix: string, queue: string): HintQueues {
  const fresh = `${prefix}.${queue}.v1`;
  return { fresh, again: `${fresh}.again` };
}

/**
 * A number that no hint reaches: RabbitMQ 4 drops a message after 20 returns where nothing is set, and 3.10, told -1 for
 * none, drops it at the first. How often a request may take its worker down is for the ledger to decide.
 */
export const queueArguments = { "x-queue-type": "quorum", "x-delivery-limit": 1_000_000 } as const;
