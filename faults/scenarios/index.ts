import type { Scenario } from "../scenario.ts";
import { diskFull } from "./disk-full.ts";
import { kills } from "./kill.ts";
import { openEmbeddedField } from "../embedded-field.ts";
import { scenariosOn } from "./on-both.ts";
import { migration } from "./migration.ts";
import { powerLosses } from "./power-loss.ts";
import { refusals } from "./refusals.ts";
import { replays } from "./replays.ts";
import { sigterm } from "./sigterm.ts";

export const scenarios: readonly Scenario[] = [
  ...kills,
  migration,
  ...replays,
  sigterm,
  refusals,
  diskFull,
  ...powerLosses,
  ...scenariosOn({ open: openEmbeddedField, rerunsMax: 32 }), // the concurrency of the burst's queue
];

/** Faults of the list that the embedded engine cannot meet, or that this run cannot make. */
export const notPlayed: readonly { readonly numbers: string; readonly why: string }[] = [
  { numbers: "7 to 13, 15, 16", why: "there is no broker, cache or database server beside the embedded engine" },
  {
    numbers: "17, 18",
    why: "worker and store are one process: it cannot be stopped past its claim, or have two clocks",
  },
];
