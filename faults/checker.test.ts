// A checker that cannot go red proves nothing: each figure is shown red on evidence with one seeded fault.
import { deepEqual, equal } from "node:assert/strict";
import { describe, test } from "node:test";
import type { LedgerLine } from "./ledger.ts";
import type { LogLine } from "./logs.ts";
import { check, countInversions, forbidden, type Evidence, type Figures, type Reading } from "./checker.ts";

const sound = {
  ledger: [
    { kind: "sent", key: "a", sha256: "1" },
    { kind: "accepted", key: "a", sha256: "1", id: "id-a" },
    { kind: "sent", key: "b", sha256: "2" },
    { kind: "unknown", key: "b", sha256: "2", reason: "socket closed" },
    { kind: "sent", key: "b", sha256: "2" },
    { kind: "accepted", key: "b", sha256: "2", id: "id-b" },
    { kind: "sent", key: "b", sha256: "3" },
    { kind: "refused", key: "b", sha256: "3", status: 422 },
    { kind: "result", id: "id-a", resultHash: "result-a" },
  ],
  starts: [
    { id: "id-a", sha256: "1" },
    { id: "id-b", sha256: "2" },
  ],
  effects: [
    { id: "id-a", sha256: "1" },
    { id: "id-b", sha256: "2" },
  ],
  readings: [
    { id: "id-a", key: "a", state: "done", isResultRead: true, resultHash: "result-a", resultOf: "1" },
    { id: "id-b", key: "b", state: "done", isResultRead: true, resultHash: "result-b", resultOf: "2" },
  ],
} satisfies Evidence;
const resultOfB = { kind: "result", id: "id-b", resultHash: "result-b", resultOf: "2" } as const;
const [readingA, readingB] = sound.readings as [Reading, Reading];

/** The key came to two gateways while the ledger was out: each gave a receipt, and both ids show one request. */
const aliased = {
  ...sound,
  ledger: [...sound.ledger, { kind: "accepted", key: "a", sha256: "1", id: "id-a2" }],
  readings: [...sound.readings, { ...readingA, id: "id-a2", sameAs: "id-a" }],
} satisfies Evidence;

interface Seed {
  readonly fault: string;
  readonly evidence: Evidence;
  readonly red: keyof Figures;
}

const seeds: readonly Seed[] = [
  {
    fault: "a result of another body, of which it was read, beside one of which it was not",
    evidence: {
      ...sound,
      readings: [
        { ...readingA, resultOf: "9" },
        { ...readingB, isResultRead: false, resultHash: undefined, resultOf: undefined },
      ],
    },
    red: "mismatched",
  },
  {
    fault: "a result of another body that the client read",
    evidence: { ...sound, ledger: [...sound.ledger, { ...resultOfB, resultOf: "1" }] },
    red: "mismatched",
  },
  {
    fault: "a result that was another one when the client read it again",
    evidence: { ...sound, ledger: [...sound.ledger, resultOfB, { ...resultOfB, resultHash: "other" }] },
    red: "doubledOutcomes",
  },
  {
    fault: "a result of a request that is not there at the end",
    evidence: { ...sound, ledger: [...sound.ledger, { ...resultOfB, id: "id-c" }] },
    red: "doubledOutcomes",
  },
  {
    fault: "an accepted request that the store does not know",
    evidence: { ...sound, readings: [readingA] },
    red: "lost",
  },
  {
    fault: "an accepted request that is still waiting at the end",
    evidence: { ...sound, readings: [readingA, { ...readingB, state: "waiting" }] },
    red: "lost",
  },
  {
    fault: "an outcome without an effect: marked done before it was processed",
    evidence: { ...sound, effects: sound.effects.slice(0, 1) },
    red: "lost",
  },
  {
    fault: "one key that was stored twice",
    evidence: { ...sound, readings: [...sound.readings, { ...readingB, id: "id-b2" }] },
    red: "doubledOutcomes",
  },
  {
    fault: "a receipt with another id for the same key",
    evidence: { ...sound, ledger: [...sound.ledger, { kind: "accepted", key: "a", sha256: "1", id: "id-a2" }] },
    red: "doubledOutcomes",
  },
  {
    fault: "an id that shows the request of another key",
    evidence: { ...aliased, readings: [...sound.readings, { ...readingA, id: "id-a2", key: "a", sameAs: "id-b" }] },
    red: "mismatched",
  },
  {
    fault: "a second id that shows another result than the first",
    evidence: {
      ...aliased,
      readings: [...sound.readings, { ...readingA, id: "id-a2", sameAs: "id-a", resultHash: "x" }],
    },
    red: "doubledOutcomes",
  },
  {
    fault: "an effect of a second id that is no request",
    evidence: { ...aliased, effects: [...sound.effects, { id: "id-a2", sha256: "1" }] },
    red: "phantom",
  },
  {
    fault: "a result that changed after it was read",
    evidence: { ...sound, readings: [{ ...readingA, resultHash: "other" }, readingB] },
    red: "doubledOutcomes",
  },
  {
    fault: "a second effect of the same request",
    evidence: { ...sound, effects: [...sound.effects, { id: "id-a", sha256: "1" }] },
    red: "doubledEffects",
  },
  {
    fault: "a request that nobody sent",
    evidence: { ...sound, readings: [...sound.readings, { ...readingB, id: "id-c", key: "c" }] },
    red: "phantom",
  },
  {
    fault: "an effect of a request that nobody knows",
    evidence: { ...sound, effects: [...sound.effects, { id: "id-c", sha256: "1" }] },
    red: "phantom",
  },
  {
    fault: "an effect of another body than was sent",
    evidence: { ...sound, effects: [{ id: "id-a", sha256: "9" }, ...sound.effects.slice(1)] },
    red: "mismatched",
  },
  {
    fault: "a result of another body than was sent",
    evidence: { ...sound, readings: [{ ...readingA, resultOf: "2" }, readingB] },
    red: "mismatched",
  },
  {
    fault: "a refused body that B was given",
    evidence: { ...sound, effects: [...sound.effects, { id: "id-b", sha256: "3" }] },
    red: "refusedWithEffect",
  },
];

const checked = (evidence: Evidence): Figures => ({ ...check(evidence), inversions: 0 });

describe("the checker", () => {
  test("finds nothing wrong where nothing is", () => {
    const figures = checked(sound);
    deepEqual(
      forbidden.map((name) => figures[name]),
      forbidden.map(() => 0),
    );
    const { accepted, unknown, dead, starts, effects, doubledEffects } = figures;
    deepEqual(
      { accepted, unknown, dead, starts, effects, doubledEffects },
      {
        accepted: 2,
        unknown: 1,
        dead: 0,
        starts: 2,
        effects: 2,
        doubledEffects: 0,
      },
    );
  });

  test("takes two ids that show one request for one", () => {
    const figures = checked(aliased);
    deepEqual(
      forbidden.map((name) => figures[name]),
      forbidden.map(() => 0),
    );
  });

  test("counts what is declared dead as ended", () => {
    const readings = [{ ...readingA, state: "dead", resultHash: "result-a" }, readingB];
    const figures = checked({ ...sound, readings, effects: sound.effects.slice(1) });
    equal(figures.lost, 0);
    equal(figures.dead, 1);
  });

  for (const { fault, evidence, red } of seeds) {
    test(`goes red (${red}) on ${fault}`, () => equal(checked(evidence)[red], 1));
  }
});

test("counts what B began before the effect of one of its order key that had its receipt before it was sent", () => {
  const line = (sha256: string, at: string): LogLine => ({ id: `id-${sha256}`, sha256, at });
  const sent = (sha256: string): LedgerLine => ({ kind: "sent", key: sha256, sha256 });
  const accepted = (sha256: string): LedgerLine => ({ kind: "accepted", key: sha256, sha256, id: `id-${sha256}` });
  const inversions = (ledger: readonly LedgerLine[], startOfSecond: string): number =>
    countInversions(
      { ledger, starts: [line("a1", "1"), line("a2", startOfSecond)], effects: [line("a1", "2"), line("a2", "9")] },
      ({ sha256 }) => sha256.slice(0, 1),
    );
  const oneByOne = [sent("a1"), accepted("a1"), sent("a2"), accepted("a2")];
  equal(inversions(oneByOne, "3"), 0);
  equal(inversions(oneByOne, "1"), 1);
  equal(inversions([sent("a1"), sent("a2"), accepted("a1"), accepted("a2")], "1"), 0, "they were sent at once");
  equal(inversions([sent("b1"), accepted("b1"), sent("a2"), accepted("a2")], "1"), 0, "of another order key");
});
