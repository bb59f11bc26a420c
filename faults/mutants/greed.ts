// Bugs by which one caller takes what belongs to all.
import type { Mutant } from "./mutant.ts";

const file = "faults/outsiders/greed.long.test.ts";

export const greedMutants: readonly Mutant[] = [
  {
    name: "answers-without-bound",
    engine: "embedded",
    bug: "results are read for everybody who asks, read or not (against I7)",
    patches: [
      {
        file: "packages/sluice/src/gateway/outgoing.ts",
        from: "return this.bytes === 0 || this.bytes + bytes <= this.#bytesMax;",
        to: "return this.bytes === 0 || bytes <= this.#bytesMax;",
      },
    ],
    catcher: { kind: "test", file, cases: "clients that do not read a large result" },
    sign: /the process has held \d+ MiB|requests were answered in time/,
  },
  {
    name: "replay-in-one-go",
    engine: "embedded",
    bug: "a bulk replay is one commit, which all others wait for",
    patches: [
      {
        file: "packages/sluice/src/engines/shared/replay-slices.ts",
        from: "const sliceMax = 200;",
        to: "const sliceMax = 1_000_000;",
      },
    ],
    catcher: {
      kind: "test",
      file: "packages/sluice/src/engines/embedded/contract.test.ts",
      cases: "a bulk replay lets others commit between its slices",
    },
    sign: /✖ a bulk replay lets others commit between its slices/,
  },
];
