// The attacks of the abuse, by kind: what is sent, and with what each must be answered.

interface Attack {
  readonly kind: string;
  /** Senders at once, each with a connection of its own. */
  readonly senders: number;
  /** Between two tries of a sender. */
  readonly restMs: number;
  /** Each of these must be among the answers; a 503 needs a Retry-After. */
  readonly statuses: readonly number[];
  /** Where the batches' room is full this comes first. */
  readonly orElse?: 503;
}

/** One connection each, kept open by a byte a second. */
const slow = { restMs: 0, statuses: [408] } as const;

/** Of each kind enough to hurt, and not so much that two cores have nothing else to do: a flood is not what this is about. */
export const attacks = [
  { kind: "slow headers", senders: 250, ...slow },
  { kind: "slow bodies", senders: 250, ...slow },
  { kind: "100 MB with their length told", senders: 2, restMs: 1_000, statuses: [413] },
  { kind: "100 MB in chunks", senders: 2, restMs: 1_000, statuses: [413], orElse: 503 },
  { kind: "compressed bombs", senders: 2, restMs: 500, statuses: [415] },
  { kind: "guessed ids", senders: 4, restMs: 100, statuses: [404] },
  { kind: "hostile batch lines", senders: 2, restMs: 1_000, statuses: [400], orElse: 503 },
  { kind: "hostile bodies", senders: 2, restMs: 1_000, statuses: [422] },
  // Read to the end, and refused for their last line; or sent away, since all at once are 384 MiB.
  { kind: "16 MiB batches", senders: 24, restMs: 10_000, statuses: [400, 503] },
] as const satisfies readonly Attack[];

export type AttackKind = (typeof attacks)[number]["kind"];

/** How often a kind was answered in which way: by status, `503 without Retry-After` or `no answer`. */
export type Tally = Readonly<Record<string, number>>;

export type Tallies = Readonly<Record<AttackKind, Tally>>;

/** What was answered otherwise than it must be, in words; a kind that never got its answer proves nothing. */
export function judgeAttacks(tallies: Tallies): readonly string[] {
  return (attacks as readonly Attack[]).flatMap(({ kind, statuses, orElse }) => {
    const needed = statuses.map(String);
    const allowed = orElse === undefined ? needed : [...needed, String(orElse)];
    const tally = tallies[kind as AttackKind];
    const wrong = Object.entries(tally).filter(([answer]) => !allowed.includes(answer));
    const missing = needed.filter((answer) => tally[answer] === undefined);
    return [
      ...wrong.map(([answer, count]) => `${kind}: ${count} times "${answer}", not ${allowed.join(" or ")}`),
      ...missing.map((answer) => `${kind}: never answered with ${answer}`),
    ];
  });
}
