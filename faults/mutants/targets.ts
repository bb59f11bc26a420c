// Bugs in what is made of a target's responses.
import type { Mutant } from "./mutant.ts";

const src = "packages/sluice/src";
const suite = "faults/outsiders/targets.test.ts";

export const targetMutants: readonly Mutant[] = [
  {
    name: "interim-is-final",
    engine: "embedded",
    bug: "a 100 Continue that nobody asked for breaks the attempt off",
    patches: [
      { file: `${src}/outbound/interim-filter.ts`, from: "this.#isExpecting = true;", to: "this.#held = undefined;" },
    ],
    catcher: { kind: "test", file: suite, cases: "ends as RFC 9110 says of any response" },
    sign: /allowed is \[\{"kind":"d/,
  },
  {
    name: "unsent-counts",
    engine: "embedded",
    bug: "an attempt counts although no byte of the request was sent (against I4)",
    patches: [{ file: `${src}/worker/target-runner.ts`, from: "isCounted: isSent, // I4", to: "isCounted: true," }],
    catcher: { kind: "test", file: suite, cases: "what was never sent is no attempt" },
    sign: /✖ what was never sent is no attempt/,
  },
  {
    name: "retry-after-kills",
    engine: "cluster",
    bug: "a wait that a target asked for counts towards the request's age limit",
    patches: [
      {
        file: `${src}/core/retry.ts`,
        from: "if (ownDueAt > ageEnd)",
        to: "if (Math.max(ownDueAt, now + (failure.retryAfterMs ?? 0)) > ageEnd)",
      },
    ],
    catcher: { kind: "test", file: suite, cases: "a wait of years is cut to the bound" },
    sign: /✖ a wait of years is cut to the bound/,
  },
];
