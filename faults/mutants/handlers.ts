// The bugs that hostile handlers would find.
import type { Mutant } from "./mutant.ts";

const suite = "faults/outsiders/handlers.test.ts";
const worker = "packages/sluice/src/worker";

export const handlersMutants: readonly Mutant[] = [
  {
    name: "delay-as-thrown",
    engine: "embedded",
    bug: "the delay of a RetryLater is taken as it is, and a refused one stops the worker (against I10)",
    patches: [
      {
        file: `${worker}/thrown.ts`,
        from: "!(delayMs >= 0 && delayMs <= delayMsMax)",
        to: "delayMs === delayMsMax",
      },
      { file: `${worker}/attempt.ts`, from: 'error.code !== "value-refused"', to: 'error.code !== "internal"' },
    ],
    catcher: { kind: "test", file: suite, cases: "on one file, in its own process" },
    sign: /a process ended/,
  },
  {
    name: "message-as-thrown",
    engine: "embedded",
    bug: "a message is stored as it was thrown, however long (against I10)",
    patches: [
      {
        file: "packages/sluice/src/core/errors.ts",
        from: "return storedText(textOf(thrown));",
        to: "return textOf(thrown);",
      },
    ],
    catcher: {
      kind: "test",
      file: "packages/sluice/src/core/errors.test.ts",
      cases: "whatever was thrown has a message that may be stored",
    },
    sign: /✖ whatever was thrown has a message that may be stored/,
  },
  {
    name: "group-fails-whole",
    engine: "cluster",
    bug: "a refused value fails every call of its group (against I10)",
    patches: [
      {
        file: "packages/sluice/src/engines/cluster/ledger/connection/lane.ts",
        from: "    if (entries.length === 1) {\n      first?.fail(refusal);",
        to: "    if (first !== undefined) {\n      for (const entry of entries) entry.fail(refusal);",
      },
    ],
    catcher: {
      kind: "test",
      file: "packages/sluice/src/engines/cluster/contract.test.ts",
      cases: "an outcome that cannot be stored fails alone",
    },
    sign: /✖ an outcome that cannot be stored fails alone/,
  },
];
