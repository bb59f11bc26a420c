// A bug in what an interruption leaves behind.
import type { Mutant } from "./mutant.ts";

export const handsMutants: readonly Mutant[] = [
  {
    name: "interrupted-input-ends",
    engine: "embedded",
    bug: "an input that a signal breaks off looks like one that has ended, and the rest of its last line is sent",
    patches: [
      {
        file: "packages/sluice/src/cli/input.ts",
        from: "      interruption.signal.throwIfAborted();\n      throw brokenOff",
        to: "      if (interruption.signal.aborted) return;\n      throw brokenOff",
      },
    ],
    catcher: {
      kind: "test",
      file: "faults/outsiders/hands.long.test.ts",
      cases: "send takes no part of a line for a line",
    },
    sign: /was accepted, and is the beginning of a line/,
  },
];
