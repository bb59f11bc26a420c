// Bugs by which a few bad requests stop a queue of good ones.
import type { Catcher, Mutant } from "./mutant.ts";

const outsiders: Catcher = {
  kind: "test",
  file: "faults/outsiders/mixtures.long.test.ts",
  cases: "good requests to a handler keep their rate among bad ones",
};

export const mixturesMutants: readonly Mutant[] = [
  {
    name: "repeats-are-evidence",
    engine: "embedded",
    bug: "the breaker counts each failure of the same request, five in a row open it, and retries go first",
    patches: [
      {
        file: "packages/sluice/src/core/breaker.ts",
        from: "if (!isRepeat) this",
        to: "if (!isRepeat || attempt > 0) this",
      },
      { file: "packages/sluice/src/core/breaker.ts", from: "const scoreToOpen = 10;\n", to: "" },
      {
        file: "packages/sluice/src/core/breaker.ts",
        from: "Math.max(scoreToOpen, running)",
        to: "Math.max(scoreToExcuse, running % 1)",
      },
      { file: "packages/sluice/src/core/retry-share.ts", from: "{ first: 0, most: 1 }", to: "{ first: 1, most: 1 }" },
      {
        file: "packages/sluice/src/core/retry-share.ts",
        from: "first: Math.max(0, Math.min(places, Math.floor(this.#starts), most))",
        to: "first: Math.max(places, this.#starts, most)",
      },
    ],
    catcher: outsiders,
    sign: /✖ good requests to a handler keep their rate among bad ones/,
  },
  {
    name: "retries-take-all-places",
    engine: "embedded",
    bug: "retries that are due go first and may hold every place",
    patches: [
      {
        file: "packages/sluice/src/core/retry-share.ts",
        from: "return { first: Math.max(0, Math.min(places, Math.floor(this.#starts), most)), most };",
        to: "return { first: 10_000 + places, most: 10_000 + most + this.#starts };",
      },
    ],
    catcher: outsiders,
    sign: /✖ good requests to a handler keep their rate among bad ones/,
  },
];
