// What only a loss of power shows: SIGKILL leaves the page cache whole.
import type { Mutant } from "./mutant.ts";

const database = "packages/sluice/src/engines/embedded/database.ts";

export const powerMutants: readonly Mutant[] = [
  {
    name: "synchronous-normal-unread",
    engine: "embedded",
    bug: "commits are not synced, and the setting is not held against what it must be (against I1 and I9)",
    patches: [
      { file: database, from: "PRAGMA synchronous = FULL;", to: "PRAGMA synchronous = NORMAL;" },
      { file: database, from: "synchronous: 2", to: "synchronous: 1" },
    ],
    catcher: { kind: "scenario", name: "power-loss", rounds: 3 },
    sign: /lost is [1-9]/,
  },
  {
    name: "synchronous-commit-off-power",
    engine: "cluster",
    bug: "the sessions that write the ledger do not wait for the disk (against I1)",
    patches: [
      {
        file: "packages/sluice/src/engines/cluster/ledger/connection/database.ts",
        from: "const steady = {",
        to: 'const steady = { synchronous_commit: "off",',
      },
    ],
    catcher: { kind: "scenario", name: "postgres-power-loss", rounds: 3 },
    sign: /lost is [1-9]/,
  },
];
