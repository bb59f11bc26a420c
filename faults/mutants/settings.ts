// Bugs in what operators may write.
import type { Mutant } from "./mutant.ts";

const sources = "packages/sluice/src";
const suite = "faults/outsiders/settings.long.test.ts";

export const settingsMutants: readonly Mutant[] = [
  {
    name: "timeout-longer-than-a-timer",
    engine: "embedded",
    bug: "a timeout may be longer than a timer takes, and is over at once",
    patches: [
      {
        file: `${sources}/config/declared-settings.ts`,
        from: 'timeout: { kind: "duration", min: "1ms", max: "24h"',
        to: 'timeout: { kind: "duration", min: "1ms", max: "30d"',
      },
    ],
    catcher: { kind: "test", file: suite, cases: "what a timer waits for stays below what a timer takes" },
    sign: /AssertionError.*30d/,
  },
  {
    name: "no-maximum",
    engine: "embedded",
    bug: "a setting's maximum is shown, and not checked",
    patches: [
      {
        file: `${sources}/core/setting.ts`,
        from: "number >= parse(min) && number <= parse(max)",
        to: "number >= parse(min) && parse(max) > 0",
      },
    ],
    catcher: { kind: "test", file: suite, cases: "refuses one step beyond, and nonsense" },
    sign: /Missing expected exception/,
  },
  {
    name: "folder-made-by-node",
    engine: "embedded",
    bug: "Node's own recursive mkdir makes the data folder, which never ends in /proc",
    patches: [
      {
        file: `${sources}/files/make-folder.ts`,
        from: "    const made = await makeFolder(resolve(path), isPrivate ? 0o700 : 0o777);",
        to: "    const made = (await makeFolder(dirname(resolve(path)), isPrivate ? 0o700 : 0o777)) ?? mkdirSync(path, { recursive: true });",
      },
      {
        file: `${sources}/files/make-folder.ts`,
        from: 'import { dirname, resolve } from "node:path";',
        to: 'import { mkdirSync } from "node:fs";\nimport { dirname, resolve } from "node:path";',
      },
    ],
    catcher: {
      kind: "test",
      file: "faults/outsiders/settings/named-paths.test.ts",
      cases: "is refused by a start",
    },
    sign: /it still runs after \d+ ms/,
  },
];
