// Bugs that hostile senders would find.
import type { Mutant } from "./mutant.ts";

const suite = "faults/outsiders/senders.test.ts";
const gateway = "packages/sluice/src/gateway";

export const sendersMutants: readonly Mutant[] = [
  {
    name: "status-undescribed",
    engine: "embedded",
    bug: "an answer has a status that the API's description does not have",
    patches: [{ file: `${gateway}/accept-batch.ts`, from: "reply.code(202)", to: "reply.code(201)" }],
    catcher: { kind: "test", file: suite, cases: "every answer is described" },
    sign: /is not described/,
  },
  {
    name: "unknown-query",
    engine: "embedded",
    bug: "a query parameter that a route does not have is passed over",
    patches: [
      {
        file: `${gateway}/unknown-parameters.ts`,
        from: "if (!known.has(name)) throw",
        to: "if (known.has(`-${name}`)) throw",
      },
    ],
    catcher: { kind: "test", file: suite, cases: "every answer is described" },
    sign: /was passed over/,
  },
  {
    name: "callback-throws",
    engine: "embedded",
    bug: "a callback's URL that is none is an error of ours",
    patches: [{ file: `${gateway}/callback.ts`, from: "parseCallbackUrl(named)", to: "new URL(named)" }],
    catcher: { kind: "test", file: suite, cases: "every answer is described" },
    sign: /could not be handled/,
  },
  {
    name: "discarded-twice",
    engine: "embedded",
    bug: "what is read of a body that nobody wants is released twice, which throws",
    patches: [{ file: `${gateway}/body.ts`, from: " || discarded.has(raw)", to: "" }],
    catcher: { kind: "test", file: suite, cases: "every answer is described" },
    sign: /a process ended/,
  },
];
