// The bugs that a clock that steps brings out, of the engine on one file.
import type { Mutant } from "./mutant.ts";

const embedded = "packages/sluice/src/engines/embedded";
const suite = "faults/outsiders/clocks-embedded.long.test.ts";

export const embeddedClockMutants: readonly Mutant[] = [
  {
    name: "embedded-seq-behind-cursor",
    engine: "embedded",
    bug: "sequence numbers start above the stored requests alone, which retention may have deleted",
    patches: [
      {
        file: `${embedded}/last-seq.ts`,
        from: "    UNION ALL SELECT max(cursor) FROM queues\n    UNION ALL SELECT value FROM meta WHERE name = 'expired_seq'\n",
        to: "",
      },
      { file: `${embedded}/accept.ts`, from: "seq > queue.cursor,", to: "seq >= 0," },
    ],
    catcher: { kind: "test", file: suite, cases: "back, after retention has emptied the folder" },
    sign: /✖ back, after retention has emptied the folder/,
  },
  {
    name: "embedded-expires-by-jumped-clock",
    engine: "embedded",
    bug: "a clock that is ahead for a moment makes retention delete what is young",
    patches: [{ file: `${embedded}/writer.ts`, from: "jumps.isSteady() && expire()", to: "expire()" }],
    catcher: { kind: "test", file: suite, cases: "ahead and back, within the hour" },
    sign: /✖ ahead and back, within the hour/,
  },
  {
    name: "embedded-due-not-pulled-in",
    engine: "embedded",
    bug: "a retry that a clock a year ahead has scheduled waits the year",
    patches: [
      {
        file: `${embedded}/clock-steps.ts`,
        from: "clock.hasSteppedBack() && pullIn",
        to: "clock.hasSteppedBack() && clock.now() < 0 && pullIn",
      },
    ],
    catcher: { kind: "test", file: suite, cases: "while it is killed" },
    sign: /✖ from \+365d to \+0 while it is killed/,
  },
];
