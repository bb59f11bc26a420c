// A burst that one replica cannot keep up with: what is sent, and what is to be kept.

export const scaling = { min: 1, max: 8, maxWait: "1m", hold: "5s" } as const;

export interface BurstShape {
  readonly requests: number;
  /** They come evenly within this time. */
  readonly withinSeconds: number;
  /** How long the handler takes for one, and runs no other meanwhile. */
  readonly holdMs: number;
}

/** Between three and four replicas' work: neither a slow machine nor a young meter makes it another number. */
export const wholeBurst: BurstShape = { requests: 20_000, withinSeconds: 90, holdMs: 15 };
/** Between two and three. */
export const smallBurst: BurstShape = { requests: 1_500, withinSeconds: 15, holdMs: 25 };
