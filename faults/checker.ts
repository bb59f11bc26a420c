// The checker: holds what the client saw against what B did and what can be read back. Pure, and blind to the
// product's own store.
import type { LedgerLine } from "./ledger.ts";
import type { LogLine } from "./logs.ts";

/** One request as it is read back over HTTP at the end. */
export interface Reading {
  readonly id: string;
  readonly key: string;
  readonly state: string;
  /** Of a great many requests the results of some are read. */
  readonly isResultRead: boolean;
  /** For a done one: the hash of the result's bytes, and the body's hash that B wrote into it. */
  readonly resultHash: string | undefined;
  readonly resultOf: string | undefined;
}

export interface Evidence {
  readonly ledger: readonly LedgerLine[];
  readonly starts: readonly LogLine[];
  readonly effects: readonly LogLine[];
  readonly readings: readonly Reading[];
}

export interface Figures {
  /** Keys that were given a receipt. */
  readonly accepted: number;
  /** Times that no answer came. */
  readonly unknown: number;
  readonly dead: number;
  readonly starts: number;
  readonly effects: number;
  /** Accepted, and neither done with its effect nor declared dead. */
  readonly lost: number;
  /** Keys with a second id, and results that changed after they were read. */
  readonly doubledOutcomes: number;
  /** Effects beyond the first of their key. */
  readonly doubledEffects: number;
  /** Requests and effects of what nobody sent. */
  readonly phantom: number;
  /** Effects and results of another body than was sent. */
  readonly mismatched: number;
  /** Definite refusals of which something came all the same. */
  readonly refusedWithEffect: number;
}

/** The figures that must be zero whatever the fault was; doubled effects are judged by the scenario. */
export const forbidden = ["lost", "doubledOutcomes", "phantom", "mismatched", "refusedWithEffect"] as const;

export function check({ ledger, starts, effects, readings }: Evidence): Figures {
  const sent = new Set(ledger.filter(isOf("sent")).map(parcelName));
  const accepted = ledger.filter(isOf("accepted"));
  const unknown = ledger.filter(isOf("unknown"));
  const idsByKey = groupIds([...accepted, ...readings]);
  const keyById = new Map([...accepted, ...readings].map(({ id, key }) => [id, key]));
  const told = ledger.filter(isOf("result"));
  const keysSent = new Set(ledger.filter(isOf("sent")).map(({ key }) => key));
  const readingById = new Map(readings.map((reading) => [reading.id, reading]));
  const effectIds = new Set(effects.map(({ id }) => id));
  const effectKeys = effects.map(({ id }) => keyById.get(id)).filter((key) => key !== undefined);
  const isEnded = (id: string): boolean => {
    const state = readingById.get(id)?.state;
    return state === "dead" || state === "cancelled" || (state === "done" && effectIds.has(id));
  };
  const isChanged = ({ id, resultHash }: { readonly id: string; readonly resultHash: string }): boolean => {
    const reading = readingById.get(id);
    return reading?.isResultRead !== false && reading?.resultHash !== resultHash;
  };
  const mayHaveCome = new Set([...accepted, ...unknown].map(parcelName));
  const came = new Set(effects.map(({ id, sha256 }) => `${keyById.get(id)} ${sha256}`));
  const refused = new Set(ledger.filter(isOf("refused")).map(parcelName));
  return {
    accepted: new Set(accepted.map(({ key }) => key)).size,
    unknown: unknown.length,
    dead: readings.filter(({ state }) => state === "dead").length,
    starts: starts.length,
    effects: effects.length,
    lost: countUnique(accepted.filter(({ id }) => !isEnded(id)).map(({ id }) => id)),
    doubledOutcomes:
      sumOf([...idsByKey.values()].map((ids) => ids.size - 1)) +
      countUnique(told.filter(isChanged).map(({ id }) => id)),
    doubledEffects: effectKeys.length - countUnique(effectKeys),
    phantom:
      readings.filter(({ key }) => !keysSent.has(key)).length + effects.filter(({ id }) => !keyById.has(id)).length,
    mismatched:
      effects.filter(({ id, sha256 }) => keyById.has(id) && !sent.has(`${keyById.get(id)} ${sha256}`)).length +
      readings.filter(
        ({ state, isResultRead, key, resultOf }) => state === "done" && isResultRead && !sent.has(`${key} ${resultOf}`),
      ).length,
    refusedWithEffect: [...refused].filter((name) => !mayHaveCome.has(name) && came.has(name)).length,
  };
}

function isOf<Kind extends LedgerLine["kind"]>(kind: Kind) {
  return (line: LedgerLine): line is Extract<LedgerLine, { kind: Kind }> => line.kind === kind;
}

function parcelName({ key, sha256 }: { readonly key: string; readonly sha256: string }): string {
  return `${key} ${sha256}`;
}

function groupIds(named: readonly { readonly id: string; readonly key: string }[]): Map<string, Set<string>> {
  const ids = new Map<string, Set<string>>();
  for (const { id, key } of named) ids.set(key, (ids.get(key) ?? new Set()).add(id));
  return ids;
}

function countUnique(values: readonly string[]): number {
  return new Set(values).size;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
