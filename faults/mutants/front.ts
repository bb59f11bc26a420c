// Bugs between the front and B, which a kill must show.
import type { Mutant } from "./mutant.ts";

const src = "packages/sluice/src";

const senders: Pick<Mutant, "name" | "bug" | "patches" | "catcher" | "sign"> = {
  name: "sender-per-process",
  bug: "keys of the front hold for the process that took them: after a kill the same key is another request (against I5)",
  patches: [
    {
      file: `${src}/gateway/front/front.ts`,
      from: "const sent = { key, sender,",
      to: "const sent = { key, sender: `${sender} ${process.pid}`,",
    },
  ],
  catcher: { kind: "scenario", name: "front-wait-accept-committed", rounds: 1 },
  sign: /doubledOutcomes is [1-9]/,
};

export const frontMutants: readonly Mutant[] = [
  {
    name: "method-lost",
    engine: "embedded",
    bug: "what came to the front with any method is posted to B",
    patches: [
      {
        file: `${src}/worker/target-runner.ts`,
        from: "const call = { url, ...place,",
        to: 'const call = { url, ...place, method: "POST",',
      },
    ],
    catcher: { kind: "scenario", name: "front-accept-committed", rounds: 1 },
    sign: /requests are dead/,
  },
  { ...senders, engine: "embedded" },
  { ...senders, engine: "cluster" },
];
