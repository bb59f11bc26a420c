// The checker: holds what the client saw against what B did and what can be read back. Pure, and blind to the
// product's own store. It goes through each kind of evidence once, and keeps little of a request: a day has millions.
import type { LedgerLine } from "./ledger.ts";
import type { LogLine } from "./logs.ts";

/** One request as it is read back over HTTP at the end. */
export interface Reading {
  readonly id: string;
  readonly key: string;
  readonly state: string;
  /** The request that it shows: the same key came to two gateways with spools, and both gave a receipt. */
  readonly sameAs?: string;
  /** Of a great many requests the results of some are read. */
  readonly isResultRead: boolean;
  /** For a done one: the hash of the result's bytes, and the body's hash that B wrote into it. */
  readonly resultHash: string | undefined;
  readonly resultOf: string | undefined;
}

export interface Evidence {
  readonly ledger: Iterable<LedgerLine>;
  readonly starts: Iterable<Omit<LogLine, "at">>;
  readonly effects: Iterable<Omit<LogLine, "at">>;
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
  /** Requests that B began before the effect of one of the same order key that had its receipt before they were sent. */
  readonly inversions: number;
}

/** The figures that must be zero whatever the fault was; doubled effects are judged by the scenario. */
export const forbidden = [
  "lost",
  "doubledOutcomes",
  "phantom",
  "mismatched",
  "refusedWithEffect",
  "inversions",
] as const;

/** Of a parcel, which is a key with the hash of a body: bits, since there are millions. */
const mayHaveCome = 1;
const wasRefused = 2;
const hasCome = 4;

/** What is known of an id. */
interface Request {
  readonly key: string;
  isAccepted: boolean;
  /** At the end; undefined while no reading has it. */
  state: string | undefined;
  hasEffect: boolean;
  /** Of its result, when the client first read it. */
  resultHash: string | undefined;
}

/** Without the inversions, which are counted for themselves. */
export function check({ ledger, starts, effects, readings }: Evidence): Omit<Figures, "inversions"> {
  const parcels = new Map<string, number>();
  const keysSent = new Set<string>();
  const keysAccepted = new Set<string>();
  const keysWithEffect = new Set<string>();
  const idsByKey = new Map<string, string | Set<string>>();
  const requests = new Map<string, Request>();
  const changed = new Set<string>();
  const counts = { unknown: 0, dead: 0, starts: 0, effects: 0, doubledEffects: 0, phantom: 0, mismatched: 0 };

  const mark = (key: string, sha256: string, bit: number): void => {
    const name = `${key} ${sha256}`;
    parcels.set(name, (parcels.get(name) ?? 0) | bit);
  };
  const firsts = new Map(readings.flatMap(({ id, sameAs }) => (sameAs === undefined ? [] : [[id, sameAs]])));
  const requestOf = (given: string, key: string): Request => {
    const id = firsts.get(given) ?? given;
    const known = requests.get(id);
    if (known !== undefined) return known;
    const request: Request = { key, isAccepted: false, state: undefined, hasEffect: false, resultHash: undefined };
    requests.set(id, request);
    const ids = idsByKey.get(key);
    idsByKey.set(key, ids === undefined ? id : (typeof ids === "string" ? new Set([ids]) : ids).add(id));
    return request;
  };
  const accept = ({ id, key }: Extract<LedgerLine, { kind: "accepted" }>): void => {
    const request = requestOf(id, key);
    request.isAccepted = true;
    if (request.key !== key) counts.mismatched += 1;
  };
  const seeResult = ({ id, resultHash, resultOf }: Extract<LedgerLine, { kind: "result" }>): void => {
    const request = requests.get(firsts.get(id) ?? id);
    if (request === undefined) {
      changed.add(id); // of an id that nobody was given
      return;
    }
    if (resultOf !== undefined && !parcels.has(`${request.key} ${resultOf}`)) counts.mismatched += 1;
    request.resultHash ??= resultHash;
    if (request.resultHash !== resultHash) changed.add(id);
  };

  for (const line of ledger) {
    switch (line.kind) {
      case "sent":
        keysSent.add(line.key);
        mark(line.key, line.sha256, 0);
        break;
      case "accepted":
        keysAccepted.add(line.key);
        mark(line.key, line.sha256, mayHaveCome);
        accept(line);
        break;
      case "unknown":
        counts.unknown += 1;
        mark(line.key, line.sha256, mayHaveCome);
        break;
      case "refused":
        mark(line.key, line.sha256, wasRefused);
        break;
      case "result":
        seeResult(line);
        break;
      default:
        line satisfies never;
    }
  }
  for (const { id, key, state, isResultRead, resultHash, resultOf } of readings) {
    const request = requestOf(id, key);
    request.state = state;
    if (state === "dead") counts.dead += 1;
    if (!keysSent.has(key)) counts.phantom += 1;
    if (isResultRead && request.resultHash !== undefined && request.resultHash !== resultHash) changed.add(id);
    if (isResultRead && state === "done" && !parcels.has(`${key} ${resultOf}`)) counts.mismatched += 1;
  }
  for (const { id, sha256 } of effects) {
    counts.effects += 1;
    const request = requests.get(id);
    if (request === undefined) {
      counts.phantom += 1;
      continue;
    }
    if (!parcels.has(`${request.key} ${sha256}`)) counts.mismatched += 1;
    else mark(request.key, sha256, hasCome);
    if (keysWithEffect.has(request.key)) counts.doubledEffects += 1;
    keysWithEffect.add(request.key);
    request.hasEffect = true;
  }
  for (const _start of starts) counts.starts += 1;

  let [lost, doubledIds, refusedWithEffect] = [0, 0, 0];
  for (const [id, request] of requests) {
    if (request.isAccepted && !isEnded(request)) lost += 1;
    if (request.resultHash !== undefined && request.state === undefined) changed.add(id);
  }
  for (const ids of idsByKey.values()) if (typeof ids !== "string") doubledIds += ids.size - 1;
  for (const marks of parcels.values()) if (marks === (wasRefused | hasCome)) refusedWithEffect += 1;
  const doubledOutcomes = doubledIds + changed.size;
  return { ...counts, accepted: keysAccepted.size, lost, doubledOutcomes, refusedWithEffect };
}

/** A second start of what has had its effect is a redelivery: it may come at any time, and B knows it by its id. */
export function countInversions(
  { ledger, starts, effects }: Pick<Evidence, "ledger"> & Readonly<Record<"starts" | "effects", Iterable<LogLine>>>,
  orderOf: (sent: { readonly key: string; readonly sha256: string }) => string,
): number {
  const [begun, made] = [firstTimes(starts), firstTimes(effects)];
  /** By order key: when the last effect came of those that have a receipt. */
  const lastOf = new Map<string, string>();
  const sent = new Set<string>();
  let count = 0;
  for (const line of ledger) {
    if (line.kind === "result") continue;
    const { kind, sha256 } = line;
    const order = orderOf(line);
    const last = lastOf.get(order) ?? "";
    if (kind === "accepted" && (made.get(sha256) ?? "") > last) lastOf.set(order, made.get(sha256) as string);
    if (kind !== "sent" || sent.has(sha256)) continue;
    sent.add(sha256);
    const at = begun.get(sha256);
    if (at !== undefined && at < last) count += 1;
  }
  return count;
}

function firstTimes(lines: Iterable<LogLine>): ReadonlyMap<string, string> {
  const times = new Map<string, string>();
  for (const { sha256, at } of lines) if (!times.has(sha256)) times.set(sha256, at);
  return times;
}

function isEnded({ state, hasEffect }: Request): boolean {
  return state === "dead" || state === "cancelled" || (state === "done" && hasEffect);
}
