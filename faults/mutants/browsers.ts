// What a page of another origin would achieve.
import type { Mutant } from "./mutant.ts";

const rule = "packages/sluice/src/core/foreign-page.ts";
const suite = "faults/outsiders/browsers.long.test.ts";

export const browserMutants: readonly Mutant[] = [
  {
    name: "any-host",
    engine: "embedded",
    bug: "a gateway without keys takes calls under any name, one that was pointed at it too",
    patches: [
      {
        file: rule,
        from: "if (!isOpen && hosts.length === 0) return true;",
        to: "if (hosts.length === 0) return true;",
      },
    ],
    catcher: { kind: "test", file: suite, cases: "achieves nothing on a gateway that is" },
    sign: /✖ under a name that was pointed at the gateway achieves nothing on a gateway that is open/,
  },
  {
    name: "origin-alone",
    engine: "embedded",
    bug: "pages are known by Origin alone, which browsers leave out where a page cannot read the response",
    patches: [
      {
        file: rule,
        from: 'site !== undefined && site !== "same-origin" && site !== "none"',
        to: 'site === "cross-origin"', // which no browser says
      },
    ],
    catcher: { kind: "test", file: suite, cases: "achieves nothing on a gateway that is" },
    sign: /✖ on another port of this host achieves nothing on a gateway that is open/,
  },
];
