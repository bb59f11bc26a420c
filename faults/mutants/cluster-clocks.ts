// Bugs of a cluster whose database's clock steps.
import type { Catcher, Mutant } from "./mutant.ts";

const cluster = "packages/sluice/src/engines/cluster";
const suite = (cases: string): Catcher => ({ kind: "test", file: "faults/outsiders/clocks-cluster.test.ts", cases });

export const clusterClocksMutants: readonly Mutant[] = [
  {
    name: "silence-by-wall-clock",
    engine: "cluster",
    bug: "a member is silent when its last beat lies so far behind the database's clock: a step ahead makes all of them dead",
    patches: [
      {
        file: `${cluster}/give-back.ts`,
        from: "silence.look(rows.map((row) => [row.no, row.sign]));",
        to: "silence.look(rows.map((row) => [row.no, Math.floor(row.sign / 1e13)]));",
      },
    ],
    catcher: suite("a step of 31536000 s"),
    sign: /a member that lives was taken for dead/,
  },
  {
    name: "heal-behind-the-clock",
    engine: "cluster",
    bug: "what was accepted before the clock stepped back is never put back: by its id it has not come yet",
    patches: [
      {
        file: `${cluster}/audit-rows.ts`,
        from: "if (is_paused) return { fresh: [], due: [] };",
        to: "if (!is_paused) return { fresh: [], due: [] };",
      },
    ],
    catcher: suite("a step of"),
    sign: /the broker lost the hints of 5, and 0 were put back/,
  },
];
