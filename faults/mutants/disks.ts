// The bugs that a damaged data folder brings out.
import type { Mutant } from "./mutant.ts";

const embedded = "packages/sluice/src/engines/embedded";

export const embeddedDiskMutants: readonly Mutant[] = [
  {
    name: "embedded-file-not-looked-at",
    engine: "embedded",
    bug: "commits go on into a file that is no longer at its path (against I1)",
    patches: [
      { file: `${embedded}/commit-loop.ts`, from: "files.assertWhole();\n      work();", to: "work();" },
      {
        file: `${embedded}/commit-loop.ts`,
        from: "files.assertWhole();\n      db.exec",
        to: "void files;\n      db.exec",
      },
    ],
    catcher: { kind: "test", file: "faults/outsiders/disks-embedded.long.test.ts", cases: "its database is moved" },
    sign: /✖ its database is moved/,
  },
  {
    name: "embedded-older-store-served",
    engine: "embedded",
    bug: "an older database, or one without its log, is served in silence",
    patches: [{ file: `${embedded}/examine.ts`, from: "if (position < mark.position)", to: "if (position < 0)" }],
    catcher: { kind: "test", file: `${embedded}/examine.test.ts`, cases: "is refused without its log" },
    sign: /✖ is refused without its log/,
  },
];
