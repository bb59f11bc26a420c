// Bugs of a cluster whose database's clock steps.
import type { Catcher, Mutant } from "./mutant.ts";

const cluster = "packages/sluice/src/engines/cluster";
const suite = (cases: string): Catcher => ({
  kind: "test",
  file: "faults/outsiders/clocks-cluster.long.test.ts",
  cases,
});

export const clusterClocksMutants: readonly Mutant[] = [
  {
    name: "silence-by-wall-clock",
    engine: "cluster",
    bug: "silence is measured by the database's clock: a step ahead makes all members dead",
    patches: [
      {
        file: `${cluster}/leader/leader.ts`,
        from: "new Silence(beatMs)",
        to: "new Silence(Number.MAX_VALUE, () => clock.now())",
      },
      {
        file: `${cluster}/leader/silence.ts`,
        from: "before.silentMs + passedMs : 0",
        to: "before.silentMs + passedMs : passedMs",
      },
    ],
    catcher: suite("a step of"),
    sign: /a member that lives was taken for dead/,
  },
  {
    name: "heal-behind-the-clock",
    engine: "cluster",
    bug: "what was accepted before the clock stepped back is never put back: by its id it has not come yet",
    patches: [
      {
        file: `${cluster}/audit/audit-rows.ts`,
        from: "if (is_paused) return { fresh: [], due: [] };",
        to: "if (!is_paused) return { fresh: [], due: [] };",
      },
    ],
    catcher: suite("a step of"),
    sign: /the broker lost the hints of 5, and 0 were put back/,
  },
];
